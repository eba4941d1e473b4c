"""The three routes on which a client can ask for calls: one request for all, and what each answers in one shape.

Streams are held to what clients rely on while they are read.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import replies
from anthropic.types import Message
from openai.types.responses import Response
from server import Server

__all__ = ["ROUTES", "SHAPES", "Answer", "Ask", "as_messages_tool", "as_responses_tool"]

Calls = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller gets, in the words of Chat Completions."""

    text: str
    calls: Calls
    """Names and arguments, as sent; of the one route that sends a value for the arguments, that value in JSON."""
    finish: str | None
    tokens: int
    """How many the model wrote, as the route counts them."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, for any route. The tools and the choice are given as Chat Completions has them."""

    tools: list[dict[str, Any]]
    replay: tuple[int, ...] = ()
    """The tokens that the model is made to write."""
    choice: Any = None
    template: Mapping[str, object] | None = None
    """What goes to the chat template."""
    question: str = "What is the weather in Paris?"
    max_tokens: int = 2048

    @property
    def extra(self) -> dict[str, object]:
        """What vLLM adds to the fields of every route."""
        given = {"chat_template_kwargs": self.template} if self.template else {}
        return {**given, **({"vllm_xargs": {"replay_ids": list(self.replay)}} if self.replay else {})}


def chat_request(ask: Ask) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": ask.question}],
        "tools": ask.tools,
        "max_tokens": ask.max_tokens,
        **({} if ask.choice is None else {"tool_choice": ask.choice}),
    }


def responses_request(ask: Ask) -> dict[str, Any]:
    choice: Any = ask.choice
    if isinstance(choice, dict):
        choice = {"type": "function", "name": choice["function"]["name"]}
    return {
        "input": ask.question,
        "tools": [as_responses_tool(tool) for tool in ask.tools],
        "max_output_tokens": ask.max_tokens,
        "store": False,
        **({} if choice is None else {"tool_choice": choice}),
    }


def messages_request(ask: Ask) -> dict[str, Any]:
    choice: Any = {"auto": {"type": "auto"}, "required": {"type": "any"}}.get(str(ask.choice))
    if isinstance(ask.choice, dict):
        choice = {"type": "tool", "name": ask.choice["function"]["name"]}
    return {
        "messages": [{"role": "user", "content": ask.question}],
        "tools": [as_messages_tool(tool) for tool in ask.tools],
        "max_tokens": ask.max_tokens,
        **({} if choice is None else {"tool_choice": choice}),
    }


def read_chat(answer: Any) -> Answer:
    reply = replies.read(answer)
    return Answer(reply.content, reply.calls, reply.finish_reason, len(reply.token_ids))


def read_response(answer: Any) -> Answer:
    response: Any = answer if isinstance(answer, Response) else final_response(answer)
    calls = tuple((item.name, item.arguments) for item in response.output if item.type == "function_call")
    finish = {"completed": "tool_calls" if calls else "stop", "incomplete": "length"}[response.status]
    return Answer(response.output_text, calls, finish, response.usage.output_tokens)


def read_message(answer: Any) -> Answer:
    read = whole_message if isinstance(answer, Message) else streamed_message
    text, calls, reason, tokens = read(answer)
    names = {"tool_use": "tool_calls", "max_tokens": "length", "end_turn": "stop", "stop_sequence": "stop"}
    return Answer(text, calls, names[reason], tokens)


class Shape(NamedTuple):
    """How a route is asked and read: its own fields of a request, and what an answer, or the events of one, say."""

    request: Callable[[Ask], dict[str, Any]]
    read: Callable[[Any], Answer]


SHAPES = {
    "/v1/chat/completions": Shape(chat_request, read_chat),
    "/v1/responses": Shape(responses_request, read_response),
    "/v1/messages": Shape(messages_request, read_message),
}


def chat(server: Server, ask: Ask, stream: bool) -> Answer:
    reply = replies.ask(server, stream=stream, extra=ask.extra, **chat_request(ask))
    return Answer(reply.content, reply.calls, reply.finish_reason, len(reply.token_ids))


def responses(server: Server, ask: Ask, stream: bool) -> Answer:
    create: Any = server.client.responses.create
    return read_response(
        create(model=server.name, stream=stream, extra_body=ask.extra, **responses_request(ask))
    )


def messages(server: Server, ask: Ask, stream: bool) -> Answer:
    create: Any = server.anthropic.messages.create
    return read_message(
        create(model=server.name, stream=stream, extra_body=ask.extra, **messages_request(ask))
    )


ROUTES: dict[str, Callable[[Server, Ask, bool], Answer]] = {
    "/v1/chat/completions": chat,
    "/v1/responses": responses,
    "/v1/messages": messages,
}


def as_responses_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    return {"type": "function", "parameters": None, **function}


def as_messages_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    more = {key: function[key] for key in ("description", "strict") if key in function}
    return {
        "name": function["name"],
        "input_schema": function.get("parameters") or {"type": "object"},
        **more,
    }


# What the routes say, and in which order


ITEM = {
    "message": [
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
    ],
    "function_call": [
        *("output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
    ],
}
"""The events of an item in a Responses stream; of the deltas there are many."""


def final_response(events: Iterable[Any]) -> Any:
    """The response at the end of a Responses stream; what was said of each item before must agree with it."""
    items: list[Any] = []
    item: Any = None
    text = ""
    steps: list[str] = []
    """Of the item that is open."""
    response = None
    for number, event in enumerate(events):
        assert event.sequence_number == number
        assert response is None, "something follows the end"
        if hasattr(event, "output_index"):
            assert event.output_index == len(items), "an event of another item"
        if hasattr(event, "item_id"):
            assert item is not None, "an event of no item"
            assert event.item_id == item.id
        kind = event.type.removeprefix("response.")
        assert (kind == "created", kind == "in_progress") == (number == 0, number == 1)
        if not steps or not (kind == steps[-1] and kind.endswith(".delta")):
            steps.append(kind)
        match kind:
            case "created" | "in_progress":
                pass
            case "output_item.added":
                assert item is None, "an item inside an item"
                item, text, steps = event.item, "", [kind]
                assert (item.arguments if item.type == "function_call" else item.content) in ("", [])
            case "output_text.delta" | "function_call_arguments.delta":
                assert event.delta, "an empty delta"
                text += event.delta
            case "output_text.done":
                assert event.text == text
            case "function_call_arguments.done":
                assert (event.name, event.arguments) == (item.name, text)
            case "content_part.added" | "content_part.done":
                assert event.part.text == (text if kind == "content_part.done" else "")
            case "output_item.done":
                done = event.item
                assert done.model_dump(exclude={"arguments", "content", "status"}) == item.model_dump(
                    exclude={"arguments", "content", "status"}
                )
                assert text == (done.arguments if done.type == "function_call" else done.content[0].text)
                assert steps == ITEM[done.type]
                items.append(done)
                item = None
            case "completed":
                assert item is None, "an item has no end"
                response = event.response
            case other:
                raise AssertionError(f"an event of another kind: {other}")
    assert response is not None, "the stream has no end"
    assert response.output == items
    return response


def whole_message(message: Any) -> tuple[str, Calls, str, int]:
    """Text, calls, stop reason and size of an answer on the Messages route."""
    calls = [block for block in message.content if block.type == "tool_use"]
    return (
        "".join(block.text for block in message.content if block.type == "text"),
        tuple((call.name, json.dumps(call.input, ensure_ascii=False)) for call in calls),
        message.stop_reason,
        message.usage.output_tokens,
    )


def streamed_message(events: Iterable[Any]) -> tuple[str, Calls, str, int]:
    """The same of a stream."""
    text, reason, tokens, ended = "", "", 0, False
    calls: list[tuple[str, str]] = []
    ids: set[str] = set()
    block: Any = None
    blocks = 0
    for number, event in enumerate(events):
        assert (event.type == "message_start") == (number == 0)
        assert not ended, "something follows the end"
        if event.type.startswith("content_block"):
            assert event.index == blocks, "an event of another block"
            assert (event.type == "content_block_start") == (block is None), "a block inside a block"
        match event.type:
            case "content_block_start":
                block = event.content_block
                if block.type == "tool_use":
                    assert block.input == {}
                    assert block.id not in ids, "two calls share an id"
                    ids.add(block.id)
                    calls.append((block.name, ""))
            case "content_block_delta" if block.type == "text":
                assert event.delta.text, "an empty delta"
                text += event.delta.text
            case "content_block_delta":
                assert event.delta.partial_json, "an empty delta"
                calls[-1] = (block.name, calls[-1][1] + event.delta.partial_json)
            case "content_block_stop":
                block, blocks = None, blocks + 1
            case "message_delta":
                assert block is None, "a block has no end"
                assert not reason, "a second reason"
                reason, tokens = event.delta.stop_reason, event.usage.output_tokens
            case "message_stop":
                ended = True
    assert ended, "the stream has no end"
    return text, tuple(calls), reason, tokens
