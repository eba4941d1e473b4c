"""Models that think first: our parsers beside a reasoning parser, ours or vLLM's, whole and streamed, however it is cut."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("vllm", reason="vLLM is not installed: pip install 'vllm-chat-adapters[cpu]'")

from recorded import loads, without_blank
from replies import WEATHER, ask, faults
from routes import SHAPES, Ask
from server import DUMMY, Server
from tiny import FAMILIES, write_tiny_checkpoint
from transformers import AutoTokenizer
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.parser.parser_manager import ParserManager

from chat_adapters.adapters import ADAPTERS, Tool, get
from chat_adapters.toolkit.checks import pieces, reply_of
from chat_adapters.toolkit.doctor import THINKING as THINKING_FLAGS
from chat_adapters.toolkit.strategies import cuts, written_calls
from chat_adapters.toolkit.writing import write_reply
from chat_adapters.vllm_plugin import MODE, register

CALL = ("get_weather", '{"city": "Paris"}')
MARKERS = ("<think>", "</think>")
THINKING = tuple(name for name, adapter in ADAPTERS.items() if adapter.thinks)
"""Adapters whose template can write `<think>`."""
NAMES = (*THINKING, "llama3_1", "qwen2")
"""`qwen2`, too: its stop strings make vLLM hold text back, so that tokens are told before their text."""


class Said(NamedTuple):
    """What a client gets."""

    reasoning: str
    content: str
    calls: tuple[tuple[str, str], ...]


def family(name: str) -> Any:
    """The family with tokens for its reasoning, as QwQ's and the distills' tokenizers have."""
    return replace(FAMILIES[name], plain=(*FAMILIES[name].plain, *MARKERS))


@pytest.fixture(scope="session")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    register()
    folder = tmp_path_factory.mktemp("thinking")
    return {
        name: AutoTokenizer.from_pretrained(write_tiny_checkpoint(folder / name, family(name)))
        for name in NAMES
    }


@pytest.fixture(scope="session")
def tokenizer(tokenizers: dict[str, Any]) -> Any:
    return tokenizers["qwen2_5"]


def request(choice: str = "auto") -> ChatCompletionRequest:
    body = {"messages": [{"role": "user", "content": "?"}], "tools": [WEATHER], "tool_choice": choice}
    return ChatCompletionRequest.model_validate(body)


def parser(tokenizer: Any, name: str, reasoning: str, choice: str = "auto") -> Any:
    made: Any = ParserManager.get_parser(
        tool_parser_name=name, reasoning_parser_name=reasoning, enable_auto_tools=True
    )
    return made(tokenizer, request(choice).tools)


def whole(tokenizer: Any, name: str, reasoning: str, text: str, choice: str = "auto") -> Said:
    made = parser(tokenizer, name, reasoning, choice)
    thought, content, calls = made.parse(text, request(choice), enable_auto_tools=True)
    return Said(thought or "", content or "", tuple((call.name, call.arguments) for call in calls or []))


def streamed(
    tokenizer: Any,
    name: str,
    reasoning: str,
    deltas: Sequence[tuple[str, Sequence[int]]],
    choice: str = "auto",
) -> Said:
    made = parser(tokenizer, name, reasoning, choice)
    thought, content = "", ""
    calls: list[tuple[str, str]] = []
    for number, (text, ids) in enumerate(deltas, 1):
        delta = made.parse_delta(
            text, list(ids), request(choice), prompt_token_ids=[1], finished=number == len(deltas)
        )
        if delta is None:
            continue
        assert delta.reasoning or delta.content or delta.tool_calls, "an empty delta"
        thought += delta.reasoning or ""
        content += delta.content or ""
        for call in delta.tool_calls:
            calls += [(call.function.name, "")] if call.id else []
            calls[-1] = (calls[-1][0], calls[-1][1] + (call.function.arguments or ""))
    return Said(thought, content, tuple(calls))


def texts(parts: Sequence[str]) -> list[tuple[str, Sequence[int]]]:
    return [(part, [7]) for part in parts]


def tokens(tokenizer: Any, text: str, sizes: Sequence[int]) -> list[tuple[str, Sequence[int]]]:
    """The reply as a server hands it over: some tokens at a time, in these sizes again and again."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    groups: list[tuple[str, Sequence[int]]] = []
    while ids:
        size = sizes[len(groups) % len(sizes)]
        groups.append((tokenizer.decode(ids[:size]), ids[:size]))
        ids = ids[size:]
    return groups


thoughts = st.lists(
    st.sampled_from(
        ["Hm. ", "\n", "<", "</", "</thin", "<think", "ink>", "{", "<tool_call>\n", write_reply(get("qwen2_5").format, CALL)]
    ),
    max_size=6,
).map("".join)  # fmt: skip


@st.composite
def replies_of(draw: st.DrawFn, name: str) -> tuple[str, Said]:
    """A reply, and what must be read of it."""
    thought = draw(thoughts)
    behind = draw(
        st.sampled_from(["", "\n\n"]).flatmap(
            lambda lead: st.just(lead + "It is sunny.") | written_calls(get(name).format, [CALL[0]]).map(lead.__add__)
        )
    )  # fmt: skip
    begin, end = draw(st.sampled_from(["", "<think>", "\n<think>"])), draw(st.booleans())
    if not end:
        return begin + thought, Said(thought, "", ())
    reply = reply_of(get(name).with_dialects(), [Tool(CALL[0], WEATHER["function"]["parameters"])], behind)
    said = Said(
        thought,
        without_blank(reply.content, behind),
        tuple((call.name, call.arguments) for call in reply.calls),
    )
    return f"{begin}{thought}</think>{behind}", said


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_every_cut_reads_the_same(tokenizers: dict[str, Any], name: str, data: st.DataObject) -> None:
    text, expected = data.draw(replies_of(name))
    tokenizer = tokenizers[name]
    assert whole(tokenizer, name, MODE, text) == expected
    assert whole(tokenizer, name, "deepseek_r1", text) == expected
    found = streamed(tokenizer, name, MODE, texts(pieces(text, data.draw(cuts(text)))))
    if all(loads(arguments) for _, arguments in found.calls):
        assert found == expected
    else:  # what was announced cannot be taken back; whole, it is content
        assert found.reasoning == expected.reasoning
        assert tuple(call for call in found.calls if loads(call[1])) == expected.calls


THOUGHTS = ["Hm.", "", "\n\n", 'I could write {"name": "get_weather"} or </tool_call>.', "Hm. " * 40]


@pytest.mark.parametrize("reasoning", [MODE, "deepseek_r1", "qwen3"])
@pytest.mark.parametrize("name", [*THINKING, "llama3_1"])
@pytest.mark.parametrize("thought", THOUGHTS)
def test_beside_each_reasoning_parser(
    tokenizers: dict[str, Any], name: str, reasoning: str, thought: str
) -> None:
    """As the template makes them write it: it has written `<think>` itself."""
    tokenizer, written = tokenizers[name], write_reply(get(name).format, CALL, CALL)
    for choice in ("auto", "required"):
        for sizes in ([1], [2], [3, 1], [7], [1000]):
            called = tokens(tokenizer, f"{thought}</think>\n\n{written}", sizes)
            expected = Said(thought, "", (CALL, CALL))
            assert streamed(tokenizer, name, reasoning, called, choice) == expected
            said = tokens(tokenizer, f"{thought}</think>It is sunny.", sizes)
            assert streamed(tokenizer, name, reasoning, said, choice) == Said(thought, "It is sunny.", ())
            never = tokens(tokenizer, f"{thought}Hm.", sizes)
            assert streamed(tokenizer, name, reasoning, never, choice) == Said(f"{thought}Hm.", "", ())
        assert whole(tokenizer, name, reasoning, f"{thought}</think>\n\n{written}", choice) == expected


def test_calls_in_the_reasoning_are_none(tokenizer: Any) -> None:
    written = write_reply(get("qwen2_5").format, CALL)
    text = f"I could write {written}.</think>{written}"
    expected = Said(f"I could write {written}.", "", (CALL,))
    for reasoning in (MODE, "deepseek_r1"):
        assert whole(tokenizer, "qwen2_5", reasoning, text) == expected
        assert streamed(tokenizer, "qwen2_5", reasoning, tokens(tokenizer, text, [2])) == expected


@pytest.mark.parametrize("name", ["hermes", "qwen2_5"])
def test_what_vllm_s_own_reasoning_parsers_get_wrong(tokenizer: Any, name: str) -> None:
    """Beside its own tool parser as beside ours; docs/reasoning.md has it as a table."""
    written = write_reply(get("qwen2_5").format, CALL)
    end = tokenizer.convert_tokens_to_ids("</think>")
    found = {}
    for reasoning in (MODE, "deepseek_r1", "qwen3"):
        begun = tokens(tokenizer, f"<think>Hm.</think>{written}", [3])
        held_back = [("Hm.", [7]), ("", [end]), ("</think>22.", [7])]
        inside = f"I could write {written}.</think>{written}"
        found[reasoning] = (
            streamed(tokenizer, name, reasoning, begun).reasoning,
            streamed(tokenizer, name, reasoning, held_back).content,
            len(whole(tokenizer, name, reasoning, inside).calls),
        )
    assert found == {
        MODE: ("Hm.", "22.", 1),
        "deepseek_r1": ("<think>Hm.", "</think>22.", 1),
        "qwen3": ("Hm.", "22.", 2),
    }


def test_vllm_keeps_nothing_of_a_stream(tokenizer: Any) -> None:
    """What it keeps it copies with every delta."""
    kept = {reasoning: parser(tokenizer, "qwen2_5", reasoning) for reasoning in (MODE, "deepseek_r1")}
    for made in kept.values():
        for text in ["Hm. "] * 100:
            made.parse_delta(text, [7], request(), prompt_token_ids=[1], finished=False)
    states = {reasoning: made._stream_state for reasoning, made in kept.items()}
    assert (states[MODE].previous_text, states[MODE].previous_token_ids) == ("", [])
    assert (len(states["deepseek_r1"].previous_text), len(states["deepseek_r1"].previous_token_ids)) == (
        400,
        100,
    )


# On a real server


@pytest.fixture(scope="module", params=THINKING)
def thinking(
    request: pytest.FixtureRequest, vllm_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """It serves as `doctor` says for a checkpoint that thinks first."""
    workdir = tmp_path_factory.mktemp("server")
    model = write_tiny_checkpoint(workdir / "tiny", family(request.param))
    flags = [part for flag in THINKING_FLAGS for part in flag]
    with Server(model, request.param, *DUMMY, "--tokenizer-mode", MODE, *flags, workdir=workdir) as server:
        yield server


def chat(server: Server, stream: bool, reply: str, **asked: Any) -> tuple[Said, str]:
    """What a request is answered with if the model writes this, and the prompt that it became."""
    found = ask(server, stream=stream, replay=reply, **{"messages": USER, "tools": [WEATHER], **asked})
    return Said(found.reasoning, found.content, found.calls), server.text(found.prompt_ids)


USER: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris?"}]
THOUGHT = "The user wants the weather.\n"


@pytest.mark.parametrize("stream", [False, True])
def test_chat(thinking: Server, stream: bool) -> None:
    adapter = get(thinking.adapter)
    end = adapter.stop_tokens[0]
    reply = f"{THOUGHT}</think>\n\n{write_reply(adapter.format, CALL)}"
    said, prompt = chat(thinking, stream, reply + end)
    assert said == Said(THOUGHT, "", (CALL,))
    assert prompt.endswith("<think>\n")
    function = {"name": CALL[0], "arguments": CALL[1]}
    history = [
        *USER,
        {"role": "assistant", "content": None, "reasoning": THOUGHT, "tool_calls": [{"id": "a", "type": "function", "function": function}]},
        {"role": "tool", "content": "22", "tool_call_id": "a"},
        {"role": "assistant", "content": f"{THOUGHT}</think>\n\nIt is 22 degrees."},
        *USER,
    ]  # fmt: skip
    said, prompt = chat(thinking, stream, f"Hm.</think>22.{end}", messages=history)
    assert said == Said("Hm.", "22.", ())
    assert THOUGHT not in prompt
    assert write_reply(adapter.format, CALL) in prompt


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_the_grammar_begins_behind_the_reasoning(thinking: Server, stream: bool, choice: Any) -> None:
    """Random weights write what follows: under the grammar, a call."""
    said, _ = chat(thinking, stream, f"{THOUGHT}</think>", tool_choice=choice, max_tokens=400, seed=1)
    assert (said.reasoning, said.content) == (THOUGHT, "")
    assert [(name, list(faults(arguments, WEATHER["function"]["parameters"]))) for name, arguments in said.calls] == [
        ("get_weather", [])
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_responses_and_messages(thinking: Server, stream: bool) -> None:
    adapter = get(thinking.adapter)
    reply = f"{THOUGHT}</think>\n\n{write_reply(adapter.format, CALL)}{adapter.stop_tokens[0]}"
    asked = Ask([WEATHER], tuple(thinking.ids(reply)))
    response: Any = thinking.client.responses.create(model=thinking.name, stream=stream, extra_body=asked.extra, **SHAPES["/v1/responses"].request(asked))  # fmt: skip
    if stream:
        response = [event.response for event in response if event.type == "response.completed"][-1]
    thoughts = [part.text for item in response.output if item.type == "reasoning" for part in item.content]
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    assert (thoughts, response.output_text, calls) == ([THOUGHT], "", [CALL])

    asking = {"model": thinking.name, "extra_body": asked.extra, **SHAPES["/v1/messages"].request(asked)}
    if stream:
        with thinking.anthropic.messages.stream(**asking) as events:
            message: Any = events.get_final_message()
    else:
        message = thinking.anthropic.messages.create(**asking)
    blocks = [(block.type, getattr(block, "thinking", None) or block.input) for block in message.content]
    assert blocks == [("thinking", THOUGHT), ("tool_use", json.loads(CALL[1]))]
