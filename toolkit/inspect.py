"""The commands that show what a model is told, what its reply is read as, and what a grammar lets it write."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..adapters import ChatAdaptersError, Tool, as_tools, get
from ..vllm_plugin._requests import ROUTES
from ..vllm_plugin.settings import PREFIX, variables
from .inspect_show import show_deltas, show_leave, show_prompt, show_trace
from .terminal import plain, plain_json
from .tracing import Said, trace

__all__ = ["grammar", "parse", "render"]

STDIN = "-"

Request = Annotated[
    str,
    typer.Argument(metavar="REQUEST.json", help="A request of /v1/chat/completions; - for standard input."),
]
AdapterName = Annotated[str, typer.Option("--adapter", help="The adapter's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON alone, for programs.")]


def render(
    request: Request,
    adapter: AdapterName,
    ids: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Show the ids of the tokenizer in this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the prompt that the chat template makes of a request."""
    with _Complaining():
        from .prompts import pieces, prompt_of, read_messages, read_tools

        chosen, body = get(adapter), _request(request)
        messages, tools = read_messages(body.get("messages")), read_tools(body.get("tools"))
        prompt = prompt_of(chosen, messages, tools, **_settings(body))
        tokens = list(_tokens(ids, prompt)) if ids else None
    if as_json:
        said: dict[str, object] = {"adapter": chosen.name, "prompt": prompt}
        if tokens is not None:
            said["tokens"] = [{"id": id, "text": text} for id, text in tokens]
        typer.echo(plain_json(said))
    else:
        show_prompt(list(pieces(chosen, prompt)), tokens)


def parse(
    adapter: AdapterName,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="What the model wrote; - for standard input.")
    ] = STDIN,
    tools: Annotated[
        str | None, typer.Option(metavar="FILE", help="The tools, or a request that has them, in JSON.")
    ] = None,
    delta: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show the stream, N characters at a time.")
    ] = 0,
    tell: Annotated[
        bool, typer.Option("--trace", help="Say what became of each part, and why something is no call.")
    ] = False,
    dialects: Annotated[str | None, typer.Option(help="As CHAT_ADAPTERS_DIALECTS takes them.")] = None,
    repairs: Annotated[str | None, typer.Option(help="As CHAT_ADAPTERS_REPAIRS takes them.")] = None,
    coercions: Annotated[str | None, typer.Option(help="As CHAT_ADAPTERS_COERCIONS takes them.")] = None,
    unknown_tools: Annotated[str | None, typer.Option(help="forward or content.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the message that a client gets of what a model wrote."""
    with _Complaining():
        chosen, text = get(adapter), _text(file)
        wanted: Any = _set("dialects", dialects)
        traced = trace(
            chosen,
            text,
            _tools(tools) if tools else (),
            deltas=delta,
            dialects=[each.name for each in chosen.dialects if each.name in wanted],
            repairs=_set("repairs", repairs),
            coercions=_set("coercions", coercions),
            unknown_tools=_set("unknown_tools", unknown_tools),
        )
    if tell and as_json:
        typer.echo(plain_json(traced.as_json()))
    elif tell:
        show_trace(traced)
        if delta:
            show_deltas(traced)
    elif delta:
        for said in filter(None, (_as_delta(each.left) for each in traced.deltas)):
            typer.echo(plain_json(said))
    else:
        typer.echo(plain_json(traced.message, None if as_json else 2))


def grammar(
    request: Request,
    adapter: AdapterName,
    check: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Say where this reply leaves the grammar.")
    ] = None,
    check_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="The same for what a file says.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the structural tag that holds the reply to a request; or check a text against it."""
    with _Complaining():
        from .inspect_grammar import leave, tag_of

        tag = tag_of(get(adapter), _request(request))
        if check is None and check_file is None:
            typer.echo(plain_json(tag, None if as_json else 2))
            return
        text = check if check is not None else _text(check_file or STDIN)
        found = leave(tag, text)
    if as_json:
        typer.echo(plain_json({"admitted": found is None, **({} if found is None else asdict(found))}))
    else:
        show_leave(text, found)
    if found is not None:
        raise typer.Exit(1)


class _Complaining:
    """What the caller did wrong is said in one line, with exit code 2."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        match error:
            case ModuleNotFoundError(name=name):
                source = name if name == "tokenizers" else "'vllm-chat-adapters[kit]'"
                why = f"this needs {name}: pip install {source}"
            case UnicodeDecodeError():
                why = "the file is no text in UTF-8"
            case OSError(filename=file, strerror=reason):
                why = f"{file}: {reason}"
            case ChatAdaptersError():
                why = str(error)
            case _:
                return
        typer.echo(f"chat-adapters: {plain(why)}".replace("\n", " "), err=True)
        raise typer.Exit(2) from None


def _text(name: str) -> str:
    return (sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()).decode()


def _json(name: str) -> Any:
    from .prompts import read_json

    return read_json(name if name != STDIN else "standard input", _text(name))


def _request(name: str) -> dict[str, Any]:
    """A request, rewritten as the middleware rewrites those in older styles."""
    body = _json(name)
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise ChatAdaptersError(f'{name}: a request is an object with "messages"')
    return ROUTES["/v1/chat/completions"].rewrite(body)


def _tools(name: str) -> list[Tool]:
    from .prompts import read_tools

    value = _json(name)
    if isinstance(value, dict):
        rewritten = ROUTES["/v1/chat/completions"].rewrite(value)
        value = rewritten.get("tools")
    return as_tools(read_tools(value))


def _settings(body: dict[str, Any]) -> dict[str, Any]:
    """What the template is told besides messages and tools."""
    kwargs = body.get("chat_template_kwargs") or {}
    if not isinstance(kwargs, dict):
        raise ChatAdaptersError("chat_template_kwargs: an object is expected")
    goes_on = bool(body.get("continue_final_message"))
    begins = body.get("add_generation_prompt", not goes_on)
    if goes_on and begins:
        raise ChatAdaptersError("continue_final_message and add_generation_prompt cannot both be true")
    return {**kwargs, "add_generation_prompt": begins, "continue_final_message": goes_on}


def _tokens(folder: Path, prompt: str) -> Iterator[tuple[int, str]]:
    """The ids of a prompt, each with what it stands for; contents are not told from the template's own tokens."""
    from tokenizers import Tokenizer

    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ChatAdaptersError(
            f"{folder}: there is no tokenizer.json (chat-adapters convert makes ChatGLM3's)"
        )
    encoded = Tokenizer.from_file(str(file)).encode(prompt, add_special_tokens=False)
    for id, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
        yield id, prompt[start:end]


def _set(field: str, text: str | None) -> Any:
    """The value of a setting, as its variable takes it."""
    variable = variables()[PREFIX + field.upper()]
    if text is None:
        return variable.default
    try:
        return variable.kind.read(text)
    except ValueError:
        takes = variable.kind.takes.replace("`", "")
        raise ChatAdaptersError(f"--{field.replace('_', '-')} takes {takes}; it is {text!r}") from None


def _as_delta(said: tuple[Said, ...]) -> dict[str, Any]:
    """A delta as OpenAI has it; empty if nothing left. Ids are counted: a server draws them."""
    content = "".join(piece.text for piece in said if piece.what == "content")
    calls: list[dict[str, Any]] = []
    for piece in said:
        if piece.what == "call":
            function = {"name": piece.text, "arguments": ""}
            id = f"call_{piece.call}"
            calls.append({"index": piece.call, "id": id, "type": "function", "function": function})
        elif piece.what == "arguments":
            if not calls or calls[-1]["index"] != piece.call:
                calls.append({"index": piece.call, "function": {"arguments": ""}})
            calls[-1]["function"]["arguments"] += piece.text
    return {**({"content": content} if content else {}), **({"tool_calls": calls} if calls else {})}
