"""What a server is set by: read, refused, documented."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server import Server, ServerFailed
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import ADAPTERS, COERCIONS, EXCERPT, REPAIRS
from chat_adapters.vllm_plugin.settings import (
    DIALECTS,
    PREFIX,
    Settings,
    SettingsError,
    changed,
    read_settings,
    variables,
)

ROOT = Path(__file__).resolve().parent.parent


def test_nothing_set_is_the_defaults() -> None:
    others = {
        "PATH": "x",
        "VLLM_CHAT_ADAPTERS_X": "1",
        f"{PREFIX}SHARED": "of the tests",
        f"{PREFIX}REPAIRS": " ",
    }
    assert read_settings(others) == Settings()
    assert list(changed(Settings())) == []


@given(
    st.builds(
        Settings,
        unknown_tools=st.sampled_from(["forward", "content"]),
        repairs=st.frozensets(st.sampled_from(sorted(REPAIRS))),
        coercions=st.frozensets(st.sampled_from(sorted(COERCIONS))),
        dialects=st.frozensets(st.sampled_from(sorted(DIALECTS))),
        max_body=st.integers(1, 2**40),
        logged_text=st.integers(0, EXCERPT),
    )
)
def test_what_is_logged_as_set_sets_it(chosen: Settings) -> None:
    said = dict(one.split("=", 1) for one in changed(chosen))
    assert read_settings(said) == chosen
    assert len(said) == sum(getattr(chosen, each.name) != each.default for each in fields(Settings))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("all", REPAIRS),
        ("none", frozenset()),
        ("single_quotes, trailing_comma", {"single_quotes", "trailing_comma"}),
        ("-single_quotes,-trailing_comma", REPAIRS - {"single_quotes", "trailing_comma"}),
    ],
)
def test_some_of_many_names(text: str, meant: frozenset[str]) -> None:
    assert read_settings({f"{PREFIX}REPAIRS": text}).repairs == meant


def test_the_dialects_that_are_safe_are_read_where_nothing_is_set() -> None:
    dialects = [dialect for adapter in ADAPTERS.values() for dialect in adapter.dialects]
    safe = {dialect.name for dialect in dialects if dialect.safe}
    assert read_settings({}).dialects == read_settings({f"{PREFIX}DIALECTS": "safe"}).dialects == safe
    # Else a server, where a name is set for all families, would read another thing than a family by itself.
    assert not safe & {dialect.name for dialect in dialects if not dialect.safe}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("UNKNOWN_TOOLS", "drop"),
        ("UNKNOWN_TOOLS", "Forward"),
        ("REPAIRS", "single_quotes,-trailing_comma"),
        ("REPAIRS", "all,single_quotes"),
        ("REPAIRS", "single_quote"),
        ("REPAIRS", ","),
        ("REPAIRS", "safe"),
        ("DIALECTS", "safe,fenced_json"),
        ("DIALECTS", "-safe"),
        ("MAX_BODY", "64MB"),
        ("MAX_BODY", "0"),
        ("MAX_BODY", "1.5"),
        ("MAX_BODY", "9" * 5000),
        ("LOGGED_TEXT", "-1"),
        ("LOGGED_TEXT", str(EXCERPT + 1)),
    ],
)
def test_a_wrong_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{PREFIX}{name} takes .*; it is '") as error:
        read_settings({PREFIX + name: text})
    assert len(str(error.value)) < 600


def test_all_that_is_wrong_is_said_in_one_harmless_line() -> None:
    wrong = {f"{PREFIX}MAX_BODI": "1", f"{PREFIX}\x1b[31m": "", f"{PREFIX}MAX_BODY": "\x1b[31m\n"}
    with pytest.raises(SettingsError) as error:
        read_settings(wrong)
    message = str(error.value)
    assert message.isprintable()
    assert "there is no setting 'CHAT_ADAPTERS_MAX_BODI'; there are CHAT_ADAPTERS_UNKNOWN_TOOLS, " in message
    assert r"'CHAT_ADAPTERS_\x1b[31m'" in message
    assert r"CHAT_ADAPTERS_MAX_BODY takes a number from 1 to 1099511627776; it is '\x1b[31m'" in message


def test_registering_refuses_what_is_wrong(vllm_installed: None) -> None:
    program = "from chat_adapters.vllm_plugin import register; register()"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, f"{PREFIX}MAX_BODI": "1"},
        check=False,
    )
    assert run.returncode == 1
    assert "SettingsError: there is no setting 'CHAT_ADAPTERS_MAX_BODI'" in run.stderr.splitlines()[-1]


@pytest.mark.server
def test_a_server_does_not_start_with_a_setting_that_is_wrong(
    vllm_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", FAMILIES["qwen2_5"])
    monkeypatch.setenv(f"{PREFIX}UNKNOWN_TOOLS", "drop")
    with (
        pytest.raises(
            ServerFailed,
            match=r"SettingsError: CHAT_ADAPTERS_UNKNOWN_TOOLS takes forward or content; it is 'drop'\Z",
        ),
        Server(model, "qwen2_5", workdir=tmp_path),
    ):
        pass


def test_the_table_of_the_docs_is_the_code() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = [
        f"| `{each.name}` | `{each.kind.write(each.default)}` | {each.kind.takes} | {each.does} |"
        for each in variables().values()
    ]
    head = "| variable | default | takes | what it does |\n| --- | --- | --- | --- |\n"
    assert head + "\n".join(rows) + "\n\n" in text


def test_every_field_is_told_about() -> None:
    field: Any
    for field in fields(Settings):
        assert field.metadata["kind"].read(field.metadata["kind"].write(field.default)) == field.default
        assert field.metadata["does"].endswith(".")
