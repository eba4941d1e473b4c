"""Requests as people send them, rewritten as vLLM takes them; answers to the oldest style in that style.

    {"functions": [{"name": "f", "parameters": [{"name": "city", "type": "str", "required": true}]}]}

becomes

    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
     "properties": {"city": {"type": "string"}}, "required": ["city"]}}}], "parallel_tool_calls": false}

What is not understood stays as it is: vLLM says what is wrong with it. Nothing is changed in place, and a request in
which there is nothing to change comes back as the same object.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..adapters import ChatAdaptersError, ToolNameError, as_json_schema, check_tool_name

__all__ = ["ROUTES", "RequestError", "Route", "wants_function_call", "with_function_call"]

Body = dict[str, Any]


class RequestError(ChatAdaptersError):
    """A request that cannot be rewritten; `param` is the field of it that is wrong."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, slots=True)
class Route:
    """Where the requests of a route have what may have to be rewritten."""

    parameters: str = "parameters"
    """What a function's words call its parameters."""
    answer: tuple[str, ...] = ()
    """Keys to the schema that the answer is to have."""
    chat: bool = False
    """Whether tools have their words under `function`, and `functions` may stand for them."""
    anthropic: bool = False
    """Whether errors have the shape of Anthropic's."""

    def rewrite(self, body: Body) -> Body:
        """The request as vLLM takes it.

        Raises:
            RequestError: a tool has no name, or one that no format carries; a list of parameters is none; `functions`
                and `function_call` are not what OpenAI made them.
        """
        if self.chat:
            body = _with_tools(_with_tool_calls(body))
        held = _is_held_to_calls(body.get("tool_choice"))
        body = _with(body, ("tools",), lambda tools: self._tools(tools, held))
        return _with(body, self.answer, _spelled_out) if self.answer else body

    def _tools(self, tools: Any, held: bool) -> Any:
        def function(words: Any) -> Any:
            return self._function(words, held)

        if not isinstance(tools, list):
            return tools
        new = [
            _with(_of_chat(tool, place), ("function",), function) if self.chat else function(tool)
            for place, tool in enumerate(tools)
        ]
        return new if any(a is not b for a, b in zip(new, tools, strict=True)) else tools

    def _function(self, words: Any, held: bool) -> Any:
        # Tools of other kinds (a web search, a server of tools) are vLLM's business.
        if not isinstance(words, dict) or words.get("type", "function") not in ("function", "custom"):
            return words
        name = words.get("name")
        try:
            if isinstance(name, str):
                check_tool_name(name)
            # vLLM takes any object, and makes a grammar of it where the reply is held to its schema.
            if isinstance(words.get(self.parameters), list) or held or words.get("strict") is True:
                return _with(words, (self.parameters,), as_json_schema)
        except ChatAdaptersError as error:
            where = "" if isinstance(error, ToolNameError) else f"tool {name!r}: "
            raise RequestError(where + str(error), "tools") from error
        return words


def _is_held_to_calls(choice: Any) -> bool:
    """`required`, a named tool, Anthropic's `any`."""
    return (choice.get("type") if isinstance(choice, dict) else choice) not in (None, "auto", "none")


def _of_chat(tool: Any, place: int) -> Any:
    """The tool as the chat route takes it: that of another route, or a function alone, is one without the word."""
    bare = isinstance(tool, dict) and "function" not in tool
    function = tool if bare else tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        # vLLM refuses it too, but with HTTP 500 where the request names a function.
        raise RequestError(
            f'tools.{place}: must be {{"type": "function", "function": {{"name": ...}}}}', "tools"
        )
    if not bare:
        return tool
    return {"type": "function", "function": {word: value for word, value in tool.items() if word != "type"}}


_CHAT = Route(answer=("response_format", "json_schema", "schema"), chat=True)
_RESPONSES = Route(answer=("text", "format", "schema"))
_MESSAGES = Route(parameters="input_schema", anthropic=True)

ROUTES = {
    "/v1/chat/completions": _CHAT,
    "/v1/chat/completions/render": _CHAT,
    "/v1/responses": _RESPONSES,
    "/v1/responses/render": _RESPONSES,
    "/v1/messages": _MESSAGES,
    "/v1/messages/render": _MESSAGES,
    "/v1/messages/count_tokens": _MESSAGES,
    "/tokenize": _CHAT,
    "/invocations": _CHAT,
}
"""vLLM's routes that take tools."""


def _spelled_out(schema: Any) -> Any:
    return as_json_schema(schema) if isinstance(schema, dict) else schema


def _with(value: Any, path: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """The same with what stands at the path changed; the same object if nothing stands there, or nothing changes."""
    if not path:
        return change(value)
    if not isinstance(value, dict) or value.get(path[0]) is None:
        return value
    inner = value[path[0]]
    new = _with(inner, path[1:], change)
    return value if new is inner else {**value, path[0]: new}


# The style before tools: `functions`, `function_call`, messages with the role `function`.


def wants_function_call(body: Body) -> bool:
    """Whether the answer to this request has to be in the style before tools."""
    return body.get("functions") is not None and body.get("tools") is None


def _with_tools(body: Body) -> Body:
    if not wants_function_call(body):
        return body
    functions, choice = body["functions"], body.get("function_call")
    if not isinstance(functions, list) or not functions:
        raise RequestError("functions: must be a list of functions, and not empty", "functions")
    rest = {key: value for key, value in body.items() if key not in ("functions", "function_call")}
    # One answer of this style holds one call.
    rest["parallel_tool_calls"] = False
    rest["tools"] = [{"type": "function", "function": function} for function in functions]
    if isinstance(choice, dict) and isinstance(choice.get("name"), str):
        rest["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif choice in ("auto", "none"):
        rest["tool_choice"] = choice
    elif choice is not None:
        raise RequestError('function_call: must be "auto", "none" or {"name": ...}', "function_call")
    return rest


def _with_tool_calls(body: Body) -> Body:
    """The same with each `function_call` of a message as its `tool_calls`, and its result as a tool's."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not any(map(_has_function_call, messages)):
        return body
    new = []
    call_id = ""
    for place, message in enumerate(messages):
        if _has_function_call(message):
            call_id = f"call_{place}"
            call = {"id": call_id, "type": "function", "function": message["function_call"]}
            message = {key: value for key, value in message.items() if key != "function_call"}
            message["tool_calls"] = [call]
        elif call_id and isinstance(message, dict) and message.get("role") == "function":
            message = {**message, "role": "tool", "tool_call_id": call_id}
        new.append(message)
    return {**body, "messages": new}


def _has_function_call(message: Any) -> bool:
    """vLLM forgets such a call, and answers as if the assistant had said nothing."""
    return (
        isinstance(message, dict)
        and message.get("role") == "assistant"
        and isinstance(message.get("function_call"), dict)
        and not message.get("tool_calls")
    )


def with_function_call(answer: Any) -> Any:
    """An answer, or a piece of a streamed one, in the style before tools."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    return {**answer, "choices": [_choice(choice) for choice in choices]} if choices else answer


def _choice(choice: Body) -> Body:
    new = {**choice}
    for key in ("message", "delta"):
        if isinstance(said := choice.get(key), dict) and "tool_calls" in said:
            calls = said["tool_calls"] or []
            new[key] = {word: value for word, value in said.items() if word != "tool_calls"}
            if calls:
                new[key]["function_call"] = calls[0]["function"]
    if choice.get("finish_reason") == "tool_calls":
        new["finish_reason"] = "function_call"
    return new
