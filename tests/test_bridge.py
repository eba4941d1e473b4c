"""The plugin inside vLLM's own modules: registration, parsing, requests, grammar."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from formats import INVENTED
from pydantic import ValidationError
from recorded import loads, reading, without_blank
from releases import need
from tiny import FAMILIES, write_tiny_checkpoint
from transformers import AutoTokenizer
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.exceptions import VLLMValidationError
from vllm.parser.parser_manager import ParserManager
from vllm.tool_parsers import ToolParserManager

from chat_adapters import vllm_plugin
from chat_adapters.adapters import ADAPTERS, Adapter, Tool, get, structural_tag
from chat_adapters.toolkit.checks import pieces
from chat_adapters.vllm_plugin import _tags, register, tool_parser
from chat_adapters.vllm_plugin.settings import Settings
from chat_adapters.vllm_plugin.tokenizer import CheckpointTokenizer
from chat_adapters.vllm_plugin.tool_parser import tool_parser_class

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CASES = sorted(path.parent for path in FIXTURES.glob("*/*/output.txt"))
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    register()


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tokenizer of each adapter's family."""
    folder = tmp_path_factory.mktemp("tiny")
    return {
        name: CheckpointTokenizer.from_pretrained(write_tiny_checkpoint(folder / name, family))
        for name, family in FAMILIES.items()
    }


@pytest.fixture
def tokenizer(tokenizers: dict[str, Any]) -> Any:
    """The one of `qwen2_5`, for what is the same in all families."""
    return tokenizers["qwen2_5"]


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What the plugin logs: vLLM's loggers do not reach pytest's."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("vllm.chat_adapters")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield messages
    logger.removeHandler(handler)


def request(tools: list[Any] | None = None, **fields: Any) -> ChatCompletionRequest:
    return ChatCompletionRequest(
        model="m", messages=[{"role": "user", "content": "?"}], tools=tools, **fields
    )


def parser(name: str, tokenizer: Any, asked: Any) -> Any:
    made: Any = ParserManager.get_parser(tool_parser_name=name, enable_auto_tools=True)
    return made(tokenizer, asked.tools)


def whole(
    name: str, tokenizer: Any, text: str, asked: ChatCompletionRequest | ResponsesRequest
) -> tuple[str, list[tuple[str, str]]]:
    _, content, calls = parser(name, tokenizer, asked).parse(text, asked, enable_auto_tools=True)
    return content or "", [(call.name, call.arguments) for call in calls or []]


def streamed(
    name: str, tokenizer: Any, deltas: list[str], asked: ChatCompletionRequest
) -> tuple[str, list[tuple[str, str]]]:
    """Follows the stream as a client does, and as strictly as the strictest one."""
    made = parser(name, tokenizer, asked)
    content = ""
    calls: list[list[str]] = []
    for number, text in enumerate(deltas, 1):
        delta = made.parse_delta(text, [7], asked, prompt_token_ids=[1], finished=number == len(deltas))
        if delta is None:
            continue
        assert delta.content or delta.tool_calls, "an empty delta"
        content += delta.content or ""
        for call in delta.tool_calls:
            if call.index == len(calls):
                assert call.id
                assert call.type == "function"
                calls.append([call.function.name, ""])
            else:
                assert (call.index, call.id, call.type, call.function.name) == (
                    len(calls) - 1,
                    None,
                    None,
                    None,
                )
            calls[-1][1] += call.function.arguments
    return content, [(name, arguments) for name, arguments in calls]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_fixture_through_vllm(case: Path, tokenizers: dict[str, Any]) -> None:
    name = case.parent.name
    tokenizer = tokenizers[name]
    text = (case / "output.txt").read_bytes().decode()
    tools = json.loads((case / "request.json").read_text("utf-8")).get("tools") or []
    message = reading(case)
    # vLLM refuses an empty list of tools, and looks for no calls where there are none.
    asked = request(
        [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools] or None
    )
    if tools:
        content = message["content"] or ""
        calls = [(call["name"], call["arguments"]) for call in message["tool_calls"]]
    else:
        content, calls = text, []
    expected = without_blank(content, text), calls

    said, found = whole(name, tokenizer, text, asked)
    assert (said, [(called, json.loads(arguments)) for called, arguments in found]) == expected

    ways = [
        streamed(name, tokenizer, deltas, asked)
        for deltas in ([text], list(text), pieces(text, range(0, len(text), 5)))
    ]
    assert all(way == ways[0] for way in ways)
    streamed_text, announced = ways[0]
    if all(loads(arguments) for _, arguments in announced):
        assert (streamed_text, announced) == (said, found)
    else:  # what was announced cannot be taken back; whole, it is content
        assert [call for call in announced if loads(call[1])] == found


def test_every_name_is_known_to_vllm() -> None:
    assert set(ADAPTERS) <= set(ToolParserManager.list_registered())


def test_registering_again_changes_nothing() -> None:
    before = dict(ToolParserManager.lazy_parsers)
    register()
    assert before == ToolParserManager.lazy_parsers


def test_a_name_that_another_parser_has_is_taken_with_a_warning(log: list[str]) -> None:
    name = "qwen2_5"
    ours = ToolParserManager.lazy_parsers[name]
    ToolParserManager.register_lazy_module(name, "elsewhere", "Parser")
    register()
    assert [message for message in log if "registered already" in message]
    assert ToolParserManager.lazy_parsers[name] == ours


def test_an_untested_vllm_is_named_once(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    monkeypatch.setattr("vllm.__version__", "0.99.1")
    monkeypatch.setenv("VLLM_USE_RUST_FRONTEND", "1")
    vllm_plugin._tell_what_is_untested()
    untested, rust = log
    assert "0.99.1" in untested
    assert "VLLM_USE_RUST_FRONTEND" in rust


def test_loading_the_plugin_imports_nothing_more_than_vllm_has() -> None:
    need("0.32", "package of Llama among what it has imported")
    program = (
        "import sys, vllm.tool_parsers; before = set(sys.modules)\n"
        "from chat_adapters.vllm_plugin import register; register()\n"
        "print(sorted(n for n in set(sys.modules) - before if not n.startswith('chat_adapters')))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    # InternLM2's configuration is one of Llama's, a module of settings.
    assert run.stdout.splitlines()[-1] == "['transformers.models.llama.configuration_llama']"


def test_the_tokenizer_of_another_family_is_refused(tokenizer: Any) -> None:
    class Other:
        unk_token_id = None

        def convert_tokens_to_ids(self, token: str) -> int | None:
            return None if token == "<|im_start|>" else 1

    other: Any = Other()
    with pytest.raises(ValueError, match=r"qwen2_5.*does not know <\|im_start\|>"):
        tool_parser_class(get("qwen2_5"))(other)
    need("0.32", "refusal of its own for a parser that does not fit the tokenizer")
    # vLLM makes a parser at start and turns this into its own refusal, which names the flag.
    with pytest.raises(TypeError, match="--tool-call-parser qwen2_5 cannot be used"):
        ParserManager.get_parser("qwen2_5", enable_auto_tools=True, model_name="m", tokenizer=other)


def test_a_token_may_stand_for_the_unknown_too() -> None:
    """transformers gives a Qwen2 tokenizer <|endoftext|> for that, unless its config says otherwise."""

    class Endoftext:
        unk_token, unk_token_id = "<|endoftext|>", 0

        def convert_tokens_to_ids(self, token: str) -> int:
            return ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].index(token)

    other: Any = Endoftext()
    assert tool_parser_class(get("qwen2_5"))(other)


def test_a_request_with_tools_gets_stop_tokens_and_visible_markers(tokenizer: Any) -> None:
    asked = request([WEATHER], stop_token_ids=[5])
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    ids = [tokenizer.convert_tokens_to_ids(token) for token in ADAPTERS["qwen2_5"].stop_tokens]
    assert adjusted.stop_token_ids == [5, *ids]
    assert adjusted.skip_special_tokens is False


@pytest.mark.parametrize("fields", [{}, {"tools": [WEATHER], "tool_choice": "none"}])
def test_a_request_without_tool_use_is_left_alone(tokenizer: Any, fields: dict[str, Any]) -> None:
    asked = request(**fields)
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    assert adjusted.skip_special_tokens == request(**fields).skip_special_tokens
    assert adjusted.stop_token_ids == []
    assert whole("qwen2_5", tokenizer, CALL, asked) == (CALL, [])
    assert streamed("qwen2_5", tokenizer, list(CALL), asked) == (CALL, [])


def test_a_responses_request_is_adjusted_alike(tokenizer: Any) -> None:
    asked = ResponsesRequest.model_validate(
        {"input": "?", "tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "required"}
    )
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    assert adjusted.skip_special_tokens is False
    assert json.loads(adjusted.structured_outputs.structural_tag)["format"]["type"] == "tags_with_separator"


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ("required", "required"),
        ({"type": "function", "function": {"name": "get_weather"}}, "forced"),
    ],
)
def test_the_grammar_of_a_request_is_the_adapters(tokenizer: Any, choice: Any, kind: Any) -> None:
    asked = request([WEATHER], tool_choice=choice)
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    parameters = WEATHER["function"]["parameters"]
    wanted = structural_tag(get("qwen2_5").format, [Tool("get_weather", parameters)], kind)
    given = json.loads(adjusted.structured_outputs.structural_tag)
    assert without_defaults(given, wanted) == wanted


def without_defaults(given: Any, wanted: Any) -> Any:
    """What xgrammar's models add to a node is not ours."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        return {key: without_defaults(given[key], wanted[key]) for key in wanted}
    if isinstance(given, list):
        return [without_defaults(one, other) for one, other in zip(given, wanted, strict=True)]
    return given


def test_auto_is_free_until_a_tool_is_strict(tokenizer: Any) -> None:
    asked = request([WEATHER], tool_choice="auto")
    assert parser("qwen2_5", tokenizer, asked).adjust_request(asked).structured_outputs is None
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
    asked = request([strict], tool_choice="auto")
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    assert json.loads(adjusted.structured_outputs.structural_tag)["format"]["type"] == "triggered_tags"


def test_under_auto_only_strict_tools_have_their_arguments_held(tokenizer: Any) -> None:
    def tool(name: str, **more: Any) -> dict[str, Any]:
        return {"type": "function", "function": {**WEATHER["function"], "name": name, **more}}

    asked = request([tool("held", strict=True), tool("free")], tool_choice="auto")
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    tags = json.loads(adjusted.structured_outputs.structural_tag)["format"]["tags"]
    held, free = (tag["content"]["json_schema"] for tag in tags)
    assert held["properties"].keys() == WEATHER["function"]["parameters"]["properties"].keys()
    assert free == {"type": "object", "additionalProperties": True}


def test_an_answer_in_json_is_no_call_on_the_responses_route(tokenizer: Any) -> None:
    schema = {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}
    for format, calls in ((schema, 0), ({"type": "text"}, 1)):
        asked = ResponsesRequest.model_validate(
            {"input": "?", "tools": [{"type": "function", **WEATHER["function"]}], "text": {"format": format}}
        )
        content, found = whole("qwen2_5", tokenizer, CALL, asked)
        assert (len(found), content) == (calls, "" if calls else CALL)


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_one_call_where_the_request_wants_no_more(tokenizer: Any, choice: str) -> None:
    if choice == "auto":
        need("0.32", "grammar under auto for parallel_tool_calls: false")
    asked = request([WEATHER], tool_choice=choice, parallel_tool_calls=False)
    adjusted = parser("qwen2_5", tokenizer, asked).adjust_request(asked)
    assert json.loads(adjusted.structured_outputs.structural_tag)["format"]["stop_after_first"] is True


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "strng"}}}},
            r"'f'.*properties\.a",
        ),
        ({"name": "my tool", "parameters": {}}, "'my tool'"),
    ],
)
def test_what_no_grammar_can_carry_is_the_callers_error(tokenizer: Any, function: Any, message: str) -> None:
    asked = request([{"type": "function", "function": function}], tool_choice="required")
    with pytest.raises(VLLMValidationError, match=message):  # vLLM's own way to HTTP 400
        parser("qwen2_5", tokenizer, asked).adjust_request(asked)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("choice", ["required", "named", "strict auto"])
def test_a_name_that_no_call_can_carry_is_refused_in_all_families(
    tokenizers: dict[str, Any], name: str, choice: str
) -> None:
    for bad in ("my tool", "x" * 65, "f\n", "get\u00e9", '"'):
        function = {"name": bad, "parameters": {}, "strict": choice == "strict auto"}
        chosen = {"named": {"type": "function", "function": {"name": bad}}, "strict auto": "auto"}
        asked = request(
            [WEATHER, {"type": "function", "function": function}], tool_choice=chosen.get(choice, "required")
        )
        with pytest.raises(VLLMValidationError, match=r"the tool name .* cannot be written in a call"):
            parser(name, tokenizers[name], asked).adjust_request(asked)


def test_what_a_grammar_does_not_enforce_is_logged_once(
    tokenizer: Any, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(name: str, *properties: str) -> None:
        unique = {
            "type": "object",
            "properties": {key: {"type": "list", "uniqueItems": True} for key in properties},
        }
        function = {"name": name, "parameters": unique}
        asked = request([WEATHER, {"type": "function", "function": function}], tool_choice="required")
        parser("qwen2_5", tokenizer, asked).adjust_request(asked)

    monkeypatch.setattr(_tags, "_schemas_logged", set())
    for _ in range(2):
        ask("f", "a", "b\n")
    assert log == [
        r"tool 'f': its grammar does not enforce 'properties.a.uniqueItems', 'properties.b\n.uniqueItems'"
    ]
    ask("g", *(f"p{n}" for n in range(12)))
    assert log[1].endswith("'properties.p9.uniqueItems' and 2 more")
    log.clear()
    for n in range(1000):
        ask(f"f{n}", "a")
    assert len(log) == 499
    assert log[-1] == "what the grammars of further tools do not enforce is not logged"


def test_beside_a_reasoning_parser(tmp_path: Path) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(write_tiny_checkpoint(tmp_path, FAMILIES["qwen2_5"]))
    tokenizer.add_tokens(["<think>", "</think>"])
    asked = request([WEATHER])
    made: Any = ParserManager.get_parser(
        "qwen2_5", reasoning_parser_name="deepseek_r1", enable_auto_tools=True
    )
    text = f"<think>Is <tool_call> right?</think>\n\nYes.\n{CALL}"
    reasoning, content, calls = made(tokenizer, asked.tools).parse(text, asked, enable_auto_tools=True)
    assert (reasoning, content) == ("Is <tool_call> right?", "\n\nYes.")
    assert [(call.name, call.arguments) for call in calls or []] == [("get_weather", '{"city": "Paris"}')]

    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    streaming = made(tokenizer, asked.tools)
    thought = said = arguments = ""
    for number, id in enumerate(ids, 1):
        delta = streaming.parse_delta(
            tokenizer.decode([id]), [id], asked, prompt_token_ids=[1], finished=number == len(ids)
        )
        if delta is not None:
            thought += delta.reasoning or ""
            said += delta.content or ""
            arguments += "".join(call.function.arguments or "" for call in delta.tool_calls if call.function)
    assert (thought, said, arguments) == ("Is <tool_call> right?", "\n\nYes.", '{"city": "Paris"}')


def test_repairs_are_logged_once_a_kind(tokenizer: Any, log: list[str]) -> None:
    tool_parser_class(get("qwen2_5")).watch._logged_repairs.clear()
    for _ in range(2):
        whole("qwen2_5", tokenizer, CALL.replace("}}", "}}}"), request([WEATHER]))
    assert [message for message in log if "repaired" in message] == [
        "qwen2_5: a call was repaired (surplus_brace); further repairs of this kind are not logged"
    ]


def test_what_vllm_makes_of_older_styles_by_itself() -> None:
    """What docs/requests.md says of vLLM alone, and the middleware is for."""
    listed = {"name": "f", "parameters": [{"name": "city", "type": "str"}]}
    named = {"tool_choice": {"type": "function", "function": {"name": "f"}}}
    for tools, more, refusal in (
        ([{"type": "function", "function": listed}], {}, ValidationError),
        ([{"name": "f", "parameters": {}}], {}, ValidationError),
        ([{"name": "f", "parameters": {}}], named, KeyError),  # HTTP 500
    ):
        with pytest.raises(refusal):
            request(tools, **more)
    asked = request(None, functions=[{"name": "f"}], function_call="auto")
    assert not asked.tools


@pytest.mark.parametrize(
    ("title", "chosen", "read"),
    [
        ("default", Settings(), "react"),
        ("none", Settings(dialects=frozenset()), ""),
        ("fenced", Settings(dialects=frozenset({"fenced_json", "python_list"})), "fenced"),  # Qwen has one
    ],
)
def test_a_server_reads_the_dialects_that_are_set(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch, title: str, chosen: Settings, read: str
) -> None:
    monkeypatch.setattr(tool_parser, "current_settings", lambda: chosen)
    name = f"dialects_{title}"
    ToolParserManager.register_module(name, module=tool_parser_class(replace(get("qwen2_5"), name=name)))
    arguments = '{"city": "Paris"}'
    replies = {
        "react": f"Action: get_weather\nAction Input: {arguments}",
        "fenced": f'```json\n{{"name": "get_weather", "arguments": {arguments}}}\n```',
    }
    for kind, text in replies.items():
        calls = [("get_weather", arguments)] if kind == read else []
        assert whole(name, tokenizer, text, request([WEATHER]))[1] == calls
        assert streamed(name, tokenizer, list(text), request([WEATHER]))[1] == calls


def test_a_server_coerces_what_is_set(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    days = {"type": "object", "properties": {"days": {"type": "integer"}}}
    asked = request([{"type": "function", "function": {"name": "get_weather", "parameters": days}}])
    text = '<tool_call>\n{"name": "get_weather", "arguments": {"days": "3"}}\n</tool_call>'
    for coercions, left in (((), '{"days": "3"}'), (("integer",), '{"days": 3}')):
        chosen = Settings(coercions=frozenset(coercions))
        monkeypatch.setattr(tool_parser, "current_settings", lambda chosen=chosen: chosen)
        assert whole("qwen2_5", tokenizer, text, asked)[1] == [("get_weather", left)]
        assert streamed("qwen2_5", tokenizer, list(text), asked)[1] == [("get_weather", left)]


def test_a_description_that_a_test_invents_is_served_like_any_other(tokenizer: Any) -> None:
    adapter = Adapter(
        name="invented_here",
        models="none",
        format=INVENTED,
        turn_tokens=("<|im_start|>",),
        stop_tokens=("<|im_end|>",),
    )
    ToolParserManager.register_module("invented_here", module=tool_parser_class(adapter))
    asked = request([WEATHER], tool_choice="required")
    text = INVENTED.call.begin("get_weather") + '{"city": "Paris"}' + INVENTED.call.end
    assert whole("invented_here", tokenizer, "Hi " + text, asked) == (
        "Hi",
        [("get_weather", '{"city": "Paris"}')],
    )
    assert streamed("invented_here", tokenizer, list(text), asked) == (
        "",
        [("get_weather", '{"city": "Paris"}')],
    )
    adjusted = parser("invented_here", tokenizer, asked).adjust_request(asked)
    (tag,) = json.loads(adjusted.structured_outputs.structural_tag)["format"]["tags"]
    assert (tag["begin"], tag["end"]) == ('[[CALL]] {"tool": "get_weather", "input": ', "} [[/CALL]]")
