"""The programs of the guides that people come from, as files that know nothing of these tests; see `serving/guides.py`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from guides import missing, replayed, run_batch, why_not
from programs import BATCH, EXERCISE, GUIDES, Guide
from server import Server

ON_A_SERVER = [
    pytest.param(family, guide, stream, id=f"{family}-{guide.name}{'-streamed' * stream}")
    for guide in GUIDES
    for family in guide.families
    for stream in (False, True)
    if not (stream and guide.is_shell)
]


@pytest.mark.server
@pytest.mark.parametrize(("server", "guide", "stream"), ON_A_SERVER, indirect=["server"], scope="session")
def test_ends_as_its_guide_prints(server: Server, guide: Guide, stream: bool) -> None:
    if reason := why_not(guide):
        pytest.skip(reason)
    done = replayed(guide, server, server.adapter, stream)
    assert not done.returncode, done.stderr
    assert not missing(guide.prints, done.stdout), done.stdout


@pytest.mark.server
@pytest.mark.parametrize("server", ["internlm2_5"], indirect=True, scope="session")
def test_null_content_goes_back(server: Server) -> None:
    """The exercise appends the content of the first message, and nothing else of it."""
    add, mul = EXERCISE.says
    done = replayed(replace(EXERCISE, says=(replace(add, text=""), mul)), server, server.adapter)
    assert (done.stdout, done.returncode) == ("8\n16\n", 0), done.stderr


@pytest.mark.usefixtures("vllm_installed")
def test_batch_without_a_server(tmp_path: Path) -> None:
    done = run_batch(tmp_path)
    assert not done.returncode, done.stderr
    assert not missing(BATCH.prints, done.stdout), done.stdout
    assert "Processed prompts: 100%" in done.stderr, "there is no progress bar"


@pytest.mark.usefixtures("vllm_installed")
def test_each_reply_of_the_queue_is_one_request_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from replay import script
    from vllm import SamplingParams

    for name, ids in {"001": [3], "000": [1, 2]}.items():
        (tmp_path / name).write_text(json.dumps(ids), "utf-8")
    monkeypatch.setenv("REPLAY_QUEUE", str(tmp_path))
    first, second, own, none = (SamplingParams() for _ in range(4))
    own.extra_args = {"replay_ids": [9]}

    assert script(first, None, []) == ([1, 2], [])
    assert script(first, None, [1]) == ([1, 2], [1]), "a request that goes on has lost its reply"
    assert script(own, None, []) == ([9], [])
    assert script(second, None, []) == ([3], [])
    assert script(none, None, []) is None
