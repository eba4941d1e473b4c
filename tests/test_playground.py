"""The playground's answers, and who gets none; tests/browser has the page itself in a browser."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "starlette", reason="starlette is not installed: pip install 'vllm-chat-adapters[playground]'"
)

from starlette.testclient import TestClient
from typer.testing import CliRunner

from chat_adapters.adapters import ADAPTERS, get, read_message
from chat_adapters.toolkit.cli import app as commands
from chat_adapters.toolkit.playground.answers import MAX_DELTAS
from chat_adapters.toolkit.playground.server import MAX_BODY, app

every_adapter = pytest.mark.parametrize("name", ADAPTERS)
TOOLS = '[{"type": "function", "function": {"name": "get_weather"}}]'
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'
FIELDS: dict[str, Any] = {"adapter": "qwen2_5", "tools": TOOLS, "reply": CALL, "size": 7}
HERE = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(app, base_url=HERE)


def ask(client: TestClient, path: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    sent = {"content-type": "application/json", **(headers or {})}
    # Escaped: a text may have half a character.
    return client.post(path, content=json.dumps(fields), headers=sent)


@every_adapter
def test_the_example_of_every_adapter_has_its_two_calls(client: TestClient, name: str) -> None:
    examples = client.get("/examples").json()
    (own,) = [adapter for adapter in examples["adapters"] if adapter["name"] == name]
    answer = ask(client, "/parse", adapter=name, tools=examples["tools"], reply=own["reply"], size=1).json()
    calls = [call["function"] for call in answer["message"]["tool_calls"]]
    assert [json.loads(call["arguments"])["city"] for call in calls] == ["Tokyo", "Lima"]
    expected = read_message(get(name), own["reply"], json.loads(examples["tools"]))
    assert answer["message"]["content"] == expected["content"]
    assert len(answer["deltas"]) == len(own["reply"]) + 1


@every_adapter
def test_the_prompt_of_every_adapter_has_its_special_tokens_apart(client: TestClient, name: str) -> None:
    examples = client.get("/examples").json()
    answer = ask(client, "/render", adapter=name, tools=examples["tools"], messages=examples["messages"])
    parts = answer.json()["parts"]
    assert {part["text"] for part in parts if part["special"]} <= {*get(name).tokens}
    assert any(part["special"] for part in parts)
    assert "And in Tokyo and Lima" in "".join(part["text"] for part in parts)


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"adapter": "gpt"}, "adapter", "qwen2_5"),
        ({"tools": "[{]"}, "tools", "line 1, column 3"),
        ({"tools": '[{"type": "web_search"}]'}, "tools", "no name"),
        ({"size": 0}, "size", "1 character"),
        ({"size": "a"}, "size", "1 character"),
        ({"reply": "x" * (MAX_DELTAS + 1), "size": 1}, "size", "more than"),
        ({"reply": None}, "reply", "a text is expected"),
    ],
)  # fmt: skip
def test_an_error_names_its_field(client: TestClient, changed: dict[str, Any], field: str, says: str) -> None:
    answer = ask(client, "/parse", **{**FIELDS, **changed})
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "messages", ["[]", "7", '[{"content": "Hi"}]', '[{"role": "wizard", "content": "Hi"}]']
)
def test_messages_that_are_none_are_named(client: TestClient, messages: str) -> None:
    answer = ask(client, "/render", adapter="qwen2_5", tools="", messages=messages)
    assert answer.status_code == 400
    assert answer.json()["field"] == "messages"


def test_half_a_character_is_no_failure(client: TestClient) -> None:
    answer = ask(client, "/parse", **{**FIELDS, "reply": "\ud83d" + CALL})
    assert answer.status_code == 200
    assert answer.json()["spans"][0]["text"] == "\ud83d"


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "10.0.0.1:8765"])
def test_no_other_name_leads_here(client: TestClient, host: str) -> None:
    for path in ("/", "/examples"):
        assert client.get(path, headers={"host": host}).status_code == 400
    assert ask(client, "/parse", headers={"host": host}, **FIELDS).status_code == 400


@pytest.mark.parametrize(
    "origin", ["http://example.com", "null", "https://127.0.0.1:8765", "http://127.0.0.1:1"]
)
def test_no_page_of_elsewhere_is_answered(client: TestClient, origin: str) -> None:
    assert ask(client, "/parse", headers={"origin": origin}, **FIELDS).status_code == 403
    assert ask(client, "/parse", headers={"origin": HERE}, **FIELDS).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_of_elsewhere_is_not_answered(client: TestClient, kind: str) -> None:
    answer = client.post("/parse", content=json.dumps(FIELDS), headers={"content-type": kind})
    assert answer.status_code == 415


def test_a_request_has_a_bound(client: TestClient) -> None:
    answer = client.post(
        "/parse", content=b" " * (MAX_BODY + 1), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_a_request_is_an_object(client: TestClient, body: bytes) -> None:
    answer = client.post("/parse", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/", "/main.js", "/panes.js", "/style.css", "/examples", "/nowhere"])
def test_nothing_of_elsewhere_is_allowed(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_the_page_names_nothing_of_elsewhere(client: TestClient) -> None:
    for path in ("/", "/main.js", "/panes.js", "/style.css"):
        text = client.get(path).text
        assert "//" not in text.replace("// ", "").replace("http://www.w3.org", "")
        assert "innerHTML" not in text


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = CliRunner().invoke(commands, ["playground", "--port", str(port)])
    assert said.exit_code == 2
    assert f"port {port} cannot be had" in said.output


def test_the_command_serves_the_page_on_this_machine_only() -> None:
    page = Path(__file__).resolve().parent.parent / "docs" / "playground.md"
    (command,) = re.findall(r"^```sh\n(.*)\n```$", page.read_text("utf-8"), re.MULTILINE)
    program, *arguments = shlex.split(command)
    run = [str(Path(sys.executable).with_name(program)), *arguments, "--port", "0"]
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as server:
        assert server.stdout
        try:
            said = server.stdout.readline()
            address = re.match(r"http://127\.0\.0\.1:\d+", said)
            assert address, said
            with urllib.request.urlopen(address[0], timeout=60) as answer:
                assert b"playground" in answer.read()
        finally:
            server.terminate()
