"""The templates: golden prompts, and what must hold for every conversation.

Everything is rendered by transformers' own `apply_chat_template`; where vLLM is installed, also by the functions its
server calls on a request, from the request's validation on.
"""

import ast
import importlib
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache, partial
from importlib import resources
from keyword import iskeyword
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_adapters.adapters import ADAPTERS, JsonCall, Tool, get
from chat_adapters.toolkit.checks import reply_of

jinja2 = pytest.importorskip("jinja2")
pytest.importorskip("jinja2.meta")
tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

needs_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")

Json = dict[str, Any]

FIXTURES = Path(__file__).parent.parent / "fixtures"
PROMPTS = sorted(f"{path.parent.parent.name}/{path.parent.name}" for path in FIXTURES.glob("*/*/prompt.txt"))
REPLIES = sorted(case for case in PROMPTS if (FIXTURES / case / "output.txt").exists())

CHANGED_BEFORE_THE_TEMPLATE = {
    "chatglm3/bare_tools": "vLLM refuses tools without the wrapper",
    "chatglm3/history_bare_call": "vLLM refuses calls without the wrapper",
    "chatglm3/null_arguments": "vLLM refuses calls without arguments",
    "chatglm3/null_contents_everywhere": "vLLM refuses null contents but the assistant's",
    "chatglm3/number_results": "vLLM refuses contents that are numbers",
    "chatglm3/tools_empty": "vLLM refuses an empty list of tools",
    "chatglm3/tools_key_order": "vLLM orders the keys of a tool, and drops those it does not know",
    "internlm2_5/bare_tools": "vLLM refuses tools without the wrapper",
    "internlm2_5/history_bare_call": "vLLM refuses calls without the wrapper",
    "internlm2_5/null_arguments": "vLLM refuses calls without arguments",
    "internlm2_5/null_contents_everywhere": "vLLM refuses null contents but the assistant's",
    "internlm2_5/number_results": "vLLM refuses contents that are numbers",
    "internlm2_5/tools_empty": "vLLM refuses an empty list of tools",
    "internlm2_5/tools_key_order": "vLLM orders the keys of a tool, and drops those it does not know",
    "llama3_1/bare_tools": "vLLM refuses tools without the wrapper",
    "llama3_1/builtin_string_arguments": "vLLM makes objects of arguments in a string",
    "llama3_1/history_bare_call": "vLLM refuses calls without the wrapper",
    "llama3_1/null_arguments": "vLLM refuses calls without arguments",
    "llama3_1/null_contents_everywhere": "vLLM refuses null contents but the assistant's",
    "llama3_1/results_data": "vLLM refuses contents that are objects or numbers",
    "llama3_1/tools_empty": "vLLM refuses an empty list of tools",
    "llama3_1/tools_key_order": "vLLM orders the keys of a tool, and drops those it does not know",
    "qwen2/bare_tools": "vLLM refuses tools without the wrapper",
    "qwen2/history_code_string": "vLLM makes objects of arguments in a string, {} of code",
    "qwen2/history_string_arguments": "vLLM makes objects of arguments in a string",
    "qwen2/null_arguments": "vLLM refuses calls without arguments",
    "qwen2/null_contents_everywhere": "vLLM refuses null contents but the assistant's",
    "qwen2/number_results": "vLLM refuses contents that are numbers",
    "qwen2/tools_empty": "vLLM refuses an empty list of tools",
    "qwen2_5/bare_tools": "vLLM refuses tools without the wrapper",
    "qwen2_5/history_bare_call": "vLLM refuses calls without the wrapper",
    "qwen2_5/null_arguments": "vLLM refuses calls without arguments",
    "qwen2_5/null_contents_everywhere": "vLLM refuses null contents but the assistant's",
    "qwen2_5/number_results": "vLLM refuses contents that are numbers",
    "qwen2_5/tools_empty": "vLLM refuses an empty list of tools",
    "qwen2_5/tools_key_order": "vLLM orders the keys of a tool, and drops those it does not know",
    "r1_distill/bare_tools": "vLLM refuses tools without the wrapper",
    "r1_distill/history_bare_call": "vLLM refuses calls without the wrapper",
    "r1_distill/null_arguments": "vLLM refuses calls without arguments",
    "r1_distill/null_contents_everywhere": "vLLM refuses null contents but the assistant's",
    "r1_distill/number_results": "vLLM refuses contents that are numbers",
    "r1_distill/tools_empty": "vLLM refuses an empty list of tools",
    "r1_distill/tools_key_order": "vLLM orders the keys of a tool, and drops those it does not know",
}
"""What vLLM's validation refuses or changes: its prompt is not the golden one."""

ROLES = {
    "developer": "system",
    "function": "tool",
    "observation": "tool",
    "environment": "tool",
    "ipython": "tool",
}
"""Roles, and the role that each is another spelling of."""

TRIMS = {"llama3_1"}
"""Adapters whose official template trims what system, user and an assistant without calls say."""

WITHIN_A_TURN = {"qwen2": ": "}
"""What comes first in a reply where the prompt ends inside the assistant's turn, behind a result."""

LEADS = {"chatglm3": "\n "}
"""What comes first in the text of every reply."""

PYTHON = {"chatglm3"}
"""Adapters whose calls are Python: arguments in a string of JSON cannot be written there. One call a turn."""

SWITCHES: list[tuple[str, Json]] = [
    ("llama3_1", {"tools_in_user_message": False}),
    ("llama3_1", {"builtin_tools": ["brave_search"]}),
    ("qwen2", {"parallel_function_calls": False}),
    ("qwen2", {"lang": "zh"}),
]
"""What a template can be told besides, in `chat_template_kwargs`."""


# Rendering


@cache
def template(adapter: str) -> str:
    return resources.files("chat_adapters.templates").joinpath(f"{adapter}.jinja").read_text(encoding="utf-8")


@cache
def tokenizer() -> Any:
    """Enough of a tokenizer to render with: the template decides everything."""
    words = tokenizers.models.WordLevel({"?": 0}, unk_token="?")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer(words))


def render(adapter: str, request: Mapping[str, Any]) -> str:
    """The prompt as transformers renders it."""
    text: str = tokenizer().apply_chat_template(
        deepcopy(request["messages"]),
        tools=request.get("tools"),
        chat_template=template(adapter),
        tokenize=False,
        add_generation_prompt=request.get("add_generation_prompt", True),
        continue_final_message=request.get("continue_final_message", False),
        **request.get("chat_template_kwargs", {}),
    )
    return text


def serve(adapter: str, request: Mapping[str, Any], content_format: str = "auto") -> str:
    """The prompt as vLLM's server renders it for this body of a chat completions request."""
    hf = importlib.import_module("vllm.renderers.hf")
    protocol = importlib.import_module("vllm.entrypoints.openai.chat_completion.protocol")
    body = protocol.ChatCompletionRequest.model_validate({"model": "any", **as_sent(request)})
    params = body.build_chat_params(template(adapter), content_format)
    tools = None if body.tools is None else [tool.model_dump() for tool in body.tools]
    conversation, _, _ = hf.parse_chat_messages(
        body.messages, model_config(), content_format=detect(adapter, content_format)
    )
    text: str = hf.safe_apply_chat_template(
        model_config(),
        tokenizer(),
        conversation,
        tools=tools,
        tokenize=False,
        **params.get_apply_chat_template_kwargs(),
    )
    return text


def as_sent(request: Mapping[str, Any]) -> Json:
    """Clients send arguments as strings of JSON, and vLLM's validation wants them so."""
    body = deepcopy(dict(request))
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            function = call.get("function", call)
            if isinstance(function.get("arguments"), dict):
                function["arguments"] = json.dumps(function["arguments"])
    return body


def detect(adapter: str, content_format: str) -> str:
    hf = importlib.import_module("vllm.renderers.hf")
    detected: str = hf.resolve_chat_template_content_format(
        template(adapter), None, content_format, tokenizer(), model_config=model_config()
    )
    return detected


@cache
def model_config() -> Any:
    """What these functions ask of the configuration of a model that reads only text."""
    return SimpleNamespace(
        multimodal_config=None,
        enable_prompt_embeds=False,
        revision=None,
        code_revision=None,
        trust_remote_code=False,
    )


def read(case: str, file: str) -> str:
    return (FIXTURES / case / file).read_bytes().decode()


def read_request(case: str) -> Json:
    request: Json = json.loads(read(case, "request.json"))
    return request


# Golden prompts


@pytest.mark.parametrize("case", PROMPTS)
def test_golden_prompt_in_transformers(case: str) -> None:
    assert render(case.split("/")[0], read_request(case)) == read(case, "prompt.txt")


@needs_vllm
@pytest.mark.parametrize("content_format", ["auto", "string", "openai"])
@pytest.mark.parametrize("case", PROMPTS)
def test_golden_prompt_in_vllm(case: str, content_format: str, request: pytest.FixtureRequest) -> None:
    if case in CHANGED_BEFORE_THE_TEMPLATE:
        request.applymarker(pytest.mark.xfail(reason=CHANGED_BEFORE_THE_TEMPLATE[case]))
    prompt = serve(case.split("/")[0], read_request(case), content_format)
    assert prompt == read(case, "prompt.txt")


@pytest.mark.parametrize("case", REPLIES)
def test_history_repeats_the_reply(case: str) -> None:
    """Where a case has a prompt and a reply, the reply is what the template writes for that message."""
    request, message = read_request(case), json.loads(read(case, "message.json"))
    calls = [{"type": "function", "function": call} for call in message["tool_calls"]]
    turn = {"role": "assistant", "content": message["content"], "tool_calls": calls}
    history = {**request, "messages": [*request["messages"], turn]}
    assert render(case.split("/")[0], history).startswith(read(case, "prompt.txt") + read(case, "output.txt"))


# Generated conversations

FUNCTION_KEYS = ("name", "description", "parameters", "strict")  # in the order into which vLLM brings them

HARD = (
    "",
    " ",
    "\n",
    "\\u00e9 \\n",
    "{{ 7 * 7 }}{% if %}{# c #}",
    "é 你好 🙂 <&>'\"",
    "<tool_call>\n{",
    "<|im_end|>",
    "<|eot_id|><|python_tag|>",
    "<|assistant|>f\n ```python\ntool_call()\n```",
    "<|action_start|><|plugin|>\n{}<|action_end|>",
)
texts = st.text(max_size=12) | st.sampled_from(HARD)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["get_weather", "a-b/c.d", "f"])
calls = st.builds(
    lambda name, arguments: {
        "id": "call_1",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    names,
    st.dictionaries(texts, values, max_size=3),
)


def messages_of(role: str) -> st.SearchStrategy[Json]:
    return st.builds(lambda content: {"role": role, "content": content}, texts)


callers = st.builds(
    lambda content, tool_calls: {"role": "assistant", "content": content, "tool_calls": tool_calls},
    texts,
    st.lists(calls, min_size=1, max_size=3),
)
results = messages_of("tool").map(lambda message: {**message, "tool_call_id": "call_1"})
messages = st.one_of(*map(messages_of, ["system", "user", "assistant"]), callers, results)
functions = st.fixed_dictionaries(
    {"name": names},
    optional={
        "description": texts,
        "parameters": st.just({"type": "object", "properties": {}}),
        "strict": st.booleans(),
    },
).map(lambda function: {key: function[key] for key in FUNCTION_KEYS if key in function})
tools = st.lists(
    st.builds(lambda function: {"type": "function", "function": function}, functions), min_size=1, max_size=3
)
requests = st.builds(
    lambda messages, tools: {"messages": messages, "tools": tools},
    st.lists(messages, min_size=1, max_size=6),
    st.none() | tools,
)


@st.composite
def respelled(draw: st.DrawFn, request: Json, *, for_server: bool, strings: bool = True) -> Json:
    """The same conversation in another of the spellings that callers use; with arguments in strings of JSON or not."""
    either = st.booleans()

    def respell_call(call: Json) -> Json:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        if (strings or not arguments) and draw(either):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if arguments in ({}, "{}"):
            arguments = draw(st.sampled_from([arguments, ""] if for_server else [arguments, "", " ", None]))
        function = {"name": name, "arguments": arguments}
        bare = {"id": call["id"], **function}
        return bare if not for_server and draw(either) else {**call, "function": function}

    def respell_message(message: Json) -> Json:
        role, content, tool_calls = message["role"], message["content"], message.get("tool_calls")
        if draw(either):
            role = draw(st.sampled_from([role, *(alias for alias, plain in ROLES.items() if plain == role)]))
        lines = content.split("\n")
        if all(lines) and draw(either):  # vLLM drops empty parts
            content = [{"type": "text", "text": line} for line in lines]
        elif not content:
            may_be_null = role == "assistant" or not for_server
            content = draw(st.sampled_from(["", [], *([None] if may_be_null else [])]))
        spelled = {**message, "role": role, "content": content}
        if tool_calls:
            spelled["tool_calls"] = [respell_call(call) for call in tool_calls]
        elif role == "assistant" and draw(either):
            spelled["tool_calls"] = draw(st.sampled_from([[]] if for_server else [[], None]))
        return spelled

    def respell_tool(tool: Json) -> Json:
        function = dict(tool["function"])
        absent = [key for key in ("description", "parameters") if key not in function]
        function |= dict.fromkeys(draw(st.lists(st.sampled_from(absent), unique=True)) if absent else [])
        if for_server:
            return {**tool, "function": function}
        return draw(
            st.sampled_from([{**tool, "function": function}, function, {"type": "function", **function}])
        )

    tools = [respell_tool(tool) for tool in request["tools"] or ()]
    return {"messages": [respell_message(message) for message in request["messages"]], "tools": tools or None}


@pytest.mark.parametrize("adapter", ADAPTERS)
@given(st.data())
def test_every_spelling_renders_alike(adapter: str, data: st.DataObject) -> None:
    request = data.draw(requests, "as it is")
    other = data.draw(respelled(request, for_server=False, strings=adapter not in PYTHON), "respelled")
    assert render(adapter, other) == render(adapter, request)


@needs_vllm
@pytest.mark.parametrize("adapter", ADAPTERS)
@given(st.data())
def test_vllm_renders_alike(adapter: str, data: st.DataObject) -> None:
    request = data.draw(requests, "as it is")
    other = data.draw(respelled(request, for_server=True), "respelled")
    content_format = data.draw(st.sampled_from(["auto", "string", "openai"]))
    assert serve(adapter, other, content_format) == render(adapter, request)


@pytest.mark.parametrize(("adapter", "switches"), [*((adapter, {}) for adapter in ADAPTERS), *SWITCHES])
@given(request=requests)
def test_a_prompt_begins_the_next_one(adapter: str, switches: Json, request: Json) -> None:
    """Prompt + what the model writes must be how the next prompt begins, or vLLM's prefix cache misses.

    From the first user message on: until then a template may not know the language of the conversation.
    """
    request = {**request, "chat_template_kwargs": switches}
    messages = one_call_a_turn(request["messages"]) if adapter in PYTHON else request["messages"]
    rendered = ""
    for end, message in enumerate(messages):
        before = messages[:end]
        if message["role"] == "assistant" and any(earlier["role"] == "user" for earlier in before):
            prompt = render(adapter, {**request, "messages": before})
            assert prompt.startswith(rendered)
            if adapter in PYTHON:
                ended = {"messages": [*before, message], "add_generation_prompt": False}
                rendered = render(adapter, {**request, **ended})
                assert rendered.startswith(prompt)
            else:
                rendered = prompt + reply(adapter, message, lead_of_reply(adapter, before))
    assert render(adapter, {**request, "messages": messages}).startswith(rendered)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_says_whether_its_template_can_think(adapter: str) -> None:
    knows = "thinking" in jinja2.meta.find_undeclared_variables(jinja2.Environment().parse(template(adapter)))
    assert ADAPTERS[adapter].thinks == knows
    request = {"messages": [{"role": "user", "content": "?"}], "chat_template_kwargs": {"thinking": True}}
    assert render(adapter, request).endswith("<think>\n") == knows


def one_call_a_turn(messages: list[Json]) -> list[Json]:
    """A result stands between two calls there, and between a prompt and the next one only if no call had to wait."""
    return [
        {**message, "tool_calls": message["tool_calls"][:1]} if "tool_calls" in message else message
        for message in messages
    ]


def lead_of_reply(adapter: str, messages: list[Json]) -> str:
    if messages[-1]["role"] == "tool":
        return WITHIN_A_TURN.get(adapter, LEADS.get(adapter, ""))
    return LEADS.get(adapter, "")


def reply(adapter: str, message: Json, lead: str) -> str:
    """What the model writes for a message by the format's description, without white space that is trimmed."""
    wire = get(adapter).format
    written = [
        wire.call.begin(call["function"]["name"])
        + json.dumps(call["function"]["arguments"], ensure_ascii=False)
        + wire.call.end
        for call in message.get("tool_calls", [])
    ]
    said = str(message["content"])
    if adapter in TRIMS and not written:
        said = said.strip()
    said = lead + said
    return said + (wire.lead if said and written else "") + wire.separator.join(written)


codes = texts | st.sampled_from(
    ["print(1)\n", "pass", " x", "[1]", "f.call(1)", 'brave_search.call(query="x")']
)


@given(said=st.sampled_from(["", "So: ", "\n"]), query=texts, code=codes)
def test_llama_calls_of_built_in_tools_are_read_back(said: str, query: str, code: str) -> None:
    wire = get("llama3_1").format
    offered = [Tool("brave_search"), Tool("code_interpreter")]
    for name, key, value in (("brave_search", "query", query), ("code_interpreter", "code", code)):
        call = {"type": "function", "function": {"name": name, "arguments": {key: value}}}
        turn = {"role": "assistant", "content": said, "tool_calls": [call]}
        request = {
            **user("Hi"),
            "chat_template_kwargs": {"builtin_tools": ["brave_search", "code_interpreter"]},
        }
        prompt = render("llama3_1", request)
        history = render(
            "llama3_1", {**request, "messages": [*request["messages"], turn], "add_generation_prompt": False}
        )
        written = history.removeprefix(prompt).removesuffix("<|eom_id|>")
        read_back = reply_of(wire, offered, written)
        assert read_back.content == said
        assert [(call.name, json.loads(call.arguments)) for call in read_back.calls] == [(name, {key: value})]


HARD_CODE = [
    "",
    "```",
    "\n```\n",
    "x\n```python\ny\n```",
    "x\n✿FUNCTION✿: f\n✿ARGS✿: {}",
    "\n tool_call(x=1)",
    "tool_call(x=1)\n```<|observation|>",
    "x\n```<|assistant|>f\n ```python\ntool_call()",
    "x\n```<|action_end|>",
    "<|action_end|>",
    "[UNUSED_TOKEN_143]",
]


def texts_of(*keys: str, required: Sequence[str]) -> Json:
    return {
        "type": "object",
        "properties": {key: {"type": "string"} for key in keys},
        "required": list(required),
    }


CODE_KEYS = [
    (texts_of("script", "title", required=["script"]), "script"),
    (texts_of("script", "title", required=["script", "title"]), "code"),
    (texts_of("script", required=[]), "code"),
    ({"type": "object"}, "code"),
]


@pytest.mark.parametrize(
    ("adapter", "name"),
    [
        ("chatglm3", "interpreter"),
        ("chatglm3", "python"),
        ("internlm2_5", "code_interpreter"),
        ("internlm2_5", "ipython"),
        ("qwen2", "code_interpreter"),
    ],
)
@pytest.mark.parametrize(("parameters", "key"), CODE_KEYS, ids=str)
@given(said=st.sampled_from(["", "So: ", "\n"]), code=codes | st.sampled_from(HARD_CODE))
def test_code_is_read_back(adapter: str, name: str, parameters: Json, key: str, said: str, code: str) -> None:
    tool = {"name": name, "description": "Run Python.", "parameters": parameters}
    call = {"function": {"name": name, "arguments": {key: code}}}
    request = {**user("Hi"), "tools": [tool]}
    turn = {"role": "assistant", "content": said, "tool_calls": [call, call]}
    history = render(
        adapter, {**request, "messages": [*request["messages"], turn], "add_generation_prompt": False}
    )
    written = history.removeprefix(render(adapter, request)).removesuffix("<|im_end|>\n")
    read_back = reply_of(get(adapter).format, [Tool(name, parameters)], written)
    assert read_back.content == said
    assert [json.loads(call.arguments) for call in read_back.calls] == [{key: code}] * 2


python_names = st.text(min_size=1, max_size=6).filter(
    lambda name: name.isidentifier() and not iskeyword(name) and normalize("NFKC", name) == name
)


@given(
    arguments=st.dictionaries(
        python_names | texts.filter(lambda key: not key.isidentifier()), values, max_size=4
    )
)
def test_chatglm3_writes_arguments_that_python_reads(arguments: Json) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}
    turn = {"messages": [{"role": "assistant", "tool_calls": [call]}], "add_generation_prompt": False}
    before, after = "[gMASK]sop<|assistant|>f\n ```python\n", "\n```"
    written = render("chatglm3", turn)
    assert written.startswith(before)
    assert written.endswith(after)
    expression = ast.parse(written.removeprefix(before).removesuffix(after), mode="eval").body
    assert isinstance(expression, ast.Call)
    assert isinstance(expression.func, ast.Name)
    assert expression.func.id == "tool_call"
    read: Json = {}
    for keyword in expression.keywords:
        value = ast.literal_eval(keyword.value)
        read |= {keyword.arg: value} if keyword.arg else value
    assert json.dumps(read) == json.dumps(arguments)  # 1 is not True there, and the order counts


@pytest.mark.parametrize("with_ids", [True, False])
@given(data=st.data())
def test_chatglm3_calls_one_tool_at_a_time(with_ids: bool, data: st.DataObject) -> None:
    """Each call has its result behind it, in whatever order results with ids come."""
    ids = [f"call_{number}" for number in range(data.draw(st.integers(1, 5)))]
    tool_calls = [{"id": id, "function": {"name": id, "arguments": {}}} for id in ids]
    answered = data.draw(st.permutations(ids)) if with_ids else ids
    results = [
        {"role": "tool", "content": f"of {id}", **({"tool_call_id": id} if with_ids else {})}
        for id in answered
    ]
    rendered = render("chatglm3", {"messages": [{"role": "assistant", "tool_calls": tool_calls}, *results]})
    pairs = [f"<|assistant|>{id}\n ```python\ntool_call()\n```<|observation|>\n of {id}" for id in ids]
    assert rendered == "[gMASK]sop" + "".join(pairs) + "<|assistant|>"


@pytest.mark.parametrize("arguments", ['{"city": "Paris"}', "Paris", [1], 5])
def test_chatglm3_takes_arguments_as_an_object(arguments: object) -> None:
    call = {"function": {"name": "get_weather", "arguments": arguments}}
    with pytest.raises(
        jinja2.TemplateError, match=r"^the arguments of a call of get_weather are no object: "
    ):
        render("chatglm3", {"messages": [{"role": "assistant", "tool_calls": [call]}]})


plain = st.characters(codec="utf-8", exclude_characters="<[p")  # some character of every special token


@given(
    said=st.lists(st.text(plain, max_size=12), min_size=4, max_size=4),
    code=st.text("ab1 \t\n('\"`é你", max_size=12).filter(lambda code: "\n```" not in "\n" + code),
)
def test_chatglm3_text_gives_the_ids_of_its_own_code(shared_dir: Path, said: list[str], code: str) -> None:
    """Its `build_single_message` encodes the line of the role and the content apart, each with a space piece before."""
    pieces, tokenizer = official_chatglm3(shared_dir / "tokenizers" / "chatglm3")
    system, question, thought, result = said
    call = {"id": "call_1", "function": {"name": "interpreter", "arguments": {"code": code}}}
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": question},
        {"role": "assistant", "content": thought, "tool_calls": [call]},
        {"role": "tool", "content": result},
    ]
    written = render("chatglm3", {"messages": messages, "tools": [{"name": "interpreter"}]})
    guide = "Answer the following questions as best as you can. You have access to the following tools:"
    guide += '\n[\n    {\n        "name": "interpreter"\n    }\n]'
    turns = [
        (64794, "", f"{system}\n{guide}" if system else guide),
        (64795, "", question),
        *([(64796, "", thought)] if thought else []),
        (64796, "interpreter", f"```python\n{code}\n```"),
        (64797, "", result),
    ]
    official = [64790, 64792]
    for role, name, content in turns:
        official += [role, *pieces.encode(name + "\n"), *pieces.encode(content)]
    assert tokenizer.encode(written, add_special_tokens=False) == [*official, 64796]


@cache
def official_chatglm3(folder: Path) -> tuple[Any, Any]:
    sentencepiece = pytest.importorskip("sentencepiece")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    return pieces, transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    "prompt",
    [
        render,
        pytest.param(partial(serve, content_format="string"), marks=needs_vllm),
        pytest.param(partial(serve, content_format="openai"), marks=needs_vllm),
    ],
    ids=["transformers", "vllm-string", "vllm-openai"],
)
@pytest.mark.parametrize("adapter", ADAPTERS)
@given(request=requests, start=texts)
@example(request={"messages": [{"role": "user", "content": "Hi"}], "tools": None}, start="so: ")
def test_continues_the_final_message(
    adapter: str, prompt: Callable[[str, Json], str], request: Json, start: str
) -> None:
    messages = [*request["messages"], {"role": "assistant", "content": start}]
    ending = {"add_generation_prompt": False, "continue_final_message": True}
    begun = render(adapter, request) + lead_of_reply(adapter, request["messages"])
    assert prompt(adapter, {**request, "messages": messages, **ending}) == begun + start


# What one template promises, said plainly


@pytest.mark.parametrize(("alias", "role"), ROLES.items())
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_role_is_read_as(adapter: str, alias: str, role: str) -> None:
    first, middle, last = ({"role": name, "content": name} for name in ("user", "assistant", "tool"))

    def prompt(role: str) -> str:
        message = {"role": role, "content": "42"}
        return render(adapter, {"messages": [message, first, message, middle, last, message, message]})

    assert prompt(alias) == prompt(role)


@pytest.mark.parametrize("text", ["{{ 7 * 7 }}{% if x %}{# c #}", "é 你好 🙂 \u2028 < > & '"])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_texts_stand_as_written(adapter: str, text: str) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {text: text}}}
    messages = [
        {"role": "system", "content": text},
        {"role": "user", "content": text},
        {"role": "assistant", "content": text, "tool_calls": [call]},
        {"role": "tool", "content": text},
    ]
    tool = {
        "type": "function",
        "function": {"name": "f", "description": text, "parameters": {"type": "object"}},
    }
    assert render(adapter, {"messages": messages, "tools": [tool]}).count(text) == 7


@pytest.mark.parametrize("adapter", sorted({*ADAPTERS} - PYTHON))
def test_arguments_in_a_string_stand_as_written(adapter: str) -> None:
    written = '{"a":1.50,  "b" : "\\u00e9"}'
    call = {"type": "function", "function": {"name": "f", "arguments": written}}
    assert written in render(
        adapter, {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}
    )


@pytest.mark.parametrize(
    "adapter", [name for name in ADAPTERS if isinstance(get(name).format.call, JsonCall)]
)
def test_any_name_is_written_as_json(adapter: str) -> None:
    name = 'say "\\hi"'
    call = {"type": "function", "function": {"name": name, "arguments": {}}}
    assert json.dumps(name) in render(adapter, {"messages": [{"role": "assistant", "tool_calls": [call]}]})


def user(content: object) -> Json:
    return {"messages": [{"role": "user", "content": content}]}


IMPOSSIBLE = {
    "unknown role": (
        {"messages": [*user("Hi")["messages"], {"role": "narrator", "content": "Night fell."}]},
        r'messages\[1\] has the role "narrator": the roles are system, developer, user, .*, ipython',
    ),
    "role that is a method's name": (
        {"messages": [{"role": "items", "content": "Hi"}]},
        r'messages\[0\] has the role "items": the roles are ',
    ),
    "no role": ({"messages": [{"content": "Hi"}]}, r"messages\[0\] has the role null: the roles are "),
    "image": (
        user([{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "data:"}}]),
        r'unsupported content part of type "image_url": this model reads text, send a string or parts',
    ),
    "captioned image": (
        user([{"type": "image", "text": "A cat."}]),
        'unsupported content part of type "image": ',
    ),
    "text without text": (
        user([{"type": "text", "text": None}]),
        'unsupported content part of type "text": ',
    ),
    "object for content": (user({"temperature": 22}), "unsupported content part of type null: "),
    "list for content": (user([22]), "unsupported content part of type null: "),
    "nameless tool": ({**user("Hi"), "tools": [{"type": "web_search"}]}, "a tool has no name: send "),
    "nameless call": (
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}]},
        "a tool call has no name: send ",
    ),
}
"""Each way of docs/templates.md to be refused by a template, and how the message begins."""


@pytest.mark.parametrize("case", IMPOSSIBLE)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_impossible_conversation_in_transformers(adapter: str, case: str) -> None:
    request, message = IMPOSSIBLE[case]
    with pytest.raises(jinja2.TemplateError, match="^" + message):
        render(adapter, request)


@needs_vllm
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_vllm_hands_on_what_the_template_says(adapter: str) -> None:
    request, message = IMPOSSIBLE["unknown role"]
    bad_request = importlib.import_module(
        "vllm.exceptions"
    ).VLLMValidationError  # the server answers HTTP 400
    with pytest.raises(bad_request, match="^" + message):
        serve(adapter, request)


@needs_vllm
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_vllm_sees_a_template_that_takes_strings(adapter: str) -> None:
    assert detect(adapter, "auto") == "string"


# What one template has besides


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("\u4dff", False),
        ("\u4e00", True),
        ("\u9fff", True),
        ("\ua000", False),
        ("こんにちは", False),
        ("日本", True),
    ],
)
@pytest.mark.parametrize("role", ["system", "user"])
def test_qwen2_reads_the_language_from_its_characters(role: str, text: str, chinese: bool) -> None:
    spoken = {"system": "Be terse.", "user": "Hi"} | {role: f"é {text} 🙂"}
    messages = [{"role": role, "content": content} for role, content in spoken.items()]
    assert ("# 工具" in render("qwen2", {"messages": messages, "tools": [{"name": "f"}]})) == chinese


def test_qwen2_is_told_of_parallel_calls_unless_they_are_off() -> None:
    request = {**user("Hi"), "tools": [{"name": "f"}]}
    told = [
        "in parallel"
        in render("qwen2", {**request, "chat_template_kwargs": {"parallel_function_calls": value}})
        for value in (True, None, False)
    ]
    assert told == [True, True, False]


def test_qwen2_knows_two_languages() -> None:
    request = {**user("Hi"), "tools": [{"name": "f"}], "chat_template_kwargs": {"lang": "fr"}}
    with pytest.raises(jinja2.TemplateError, match=r'^lang is "fr": send "en" or "zh"'):
        render("qwen2", request)
