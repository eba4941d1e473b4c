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

from ..adapters import ChatAdaptersError, NameBudget, ToolNameError, as_json_schema, check_tool_name

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
            RequestError: a tool has no name, or one that no format carries; a list of parameters is none;
                `function_call` is not what OpenAI made it.
        """
        field = "functions" if self.chat and wants_function_call(body) else "tools"
        if self.chat:
            body = _with_tools(_with_tool_calls(body))
        tools = _Tools(self, field, body.get("tool_choice"))
        body = _with(body, ("tools",), tools.rewritten)
        return _with(body, self.answer, tools.spelled_out) if self.answer else body


class _Tools:
    """Rewrites what a request says of its tools."""

    def __init__(self, route: Route, field: str, choice: Any) -> None:
        self.route = route
        self.field = field
        """What the request calls them."""
        if isinstance(choice, dict):
            choice = choice.get("mode") or choice.get("type")
        self.held = choice not in (None, "auto", "none")
        """The reply must be a call."""
        self.budget = NameBudget()

    def rewritten(self, tools: Any) -> Any:
        if not isinstance(tools, list):
            return tools
        new = [self.tool(tool, place) for place, tool in enumerate(tools)]
        return new if any(a is not b for a, b in zip(new, tools, strict=True)) else tools

    def tool(self, tool: Any, place: int) -> Any:
        if self.route.chat:
            return _with(self.of_chat(tool, place), ("function",), self.function)
        # Tools of other kinds (a web search, a server of tools) are vLLM's business.
        ours = isinstance(tool, dict) and tool.get("type", "function") in ("function", "custom")
        return self.function(tool) if ours else tool

    def of_chat(self, tool: Any, place: int) -> Any:
        """The tool as the chat route takes it: that of another route, or a function alone, is one without the word."""
        bare = isinstance(tool, dict) and "function" not in tool
        function = tool if bare else tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            # vLLM refuses it too, but with HTTP 500 where the request names a function.
            form = (
                '{"type": "function", "function": {"name": ...}}'
                if self.field == "tools"
                else '{"name": ...}'
            )
            raise RequestError(f"{self.field}.{place}: must be {form}", self.field)
        if not bare:
            return tool
        return {
            "type": "function",
            "function": {word: value for word, value in tool.items() if word != "type"},
        }

    def function(self, words: Body) -> Any:
        name = words.get("name")
        try:
            if isinstance(name, str):
                check_tool_name(name)
            # vLLM takes any object, and makes a grammar of it where the reply is held to its schema.
            if isinstance(words.get(self.route.parameters), list) or self.held or words.get("strict") is True:
                return _with(words, (self.route.parameters,), self.parameters)
        except ChatAdaptersError as error:
            where = "" if isinstance(error, ToolNameError) else f"tool {name!a:.80}: "
            raise RequestError(where + str(error), self.field) from error
        return words

    def parameters(self, parameters: Any) -> Any:
        return as_json_schema(parameters, self.budget)

    def spelled_out(self, schema: Any) -> Any:
        return as_json_schema(schema, self.budget) if isinstance(schema, dict) else schema


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
    functions = body.get("functions")
    return isinstance(functions, list) and bool(functions) and body.get("tools") is None


def _with_tools(body: Body) -> Body:
    if not wants_function_call(body):
        return body
    choice = body.get("function_call")
    rest = {key: value for key, value in body.items() if key not in ("functions", "function_call")}
    # One answer of this style holds one call.
    rest["parallel_tool_calls"] = False
    rest["tools"] = [{"type": "function", "function": function} for function in body["functions"]]
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
            call = {
                "id": call_id,
                "type": "function",
                "function": {"arguments": "", **message["function_call"]},
            }
            message = {key: value for key, value in message.items() if key != "function_call"}
            message["tool_calls"] = [call]
        elif call_id and isinstance(message, dict) and message.get("role") == "function":
            message = {**message, "role": "tool", "tool_call_id": call_id}
        new.append(message)
    return {**body, "messages": new}


def _has_function_call(message: Any) -> bool:
    """vLLM forgets such a call, and answers as if the assistant had said nothing."""
    if not isinstance(message, dict) or message.get("role") != "assistant" or message.get("tool_calls"):
        return False
    call = message.get("function_call")
    if not isinstance(call, dict):
        return False
    return isinstance(call.get("name"), str) and isinstance(call.get("arguments", ""), str)


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
