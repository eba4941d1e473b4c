"""Programs of the clients whose packages vLLM brings, in a tool loop to its end; `make clients` has the others."""

import pytest
from clients import OURS, fault
from server import Server


@pytest.mark.server
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", OURS)
def test_a_client_ends_its_loop(server: Server, client: str, stream: bool) -> None:
    assert not fault(client, server, stream)
