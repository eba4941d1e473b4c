"""The soak of `make soak`, short: hundreds of requests of all kinds on the server of one family, 64 streams at once."""

import pytest
from server import Server
from soak import STREAMS, Soak
from traffic import Leave

pytestmark = pytest.mark.server

REQUESTS = 600


@pytest.mark.parametrize("server", ["llama3_1"], indirect=True, scope="session")
def test_a_server_stands_a_crowd(server: Server) -> None:
    soak = Soak(server, REQUESTS, seed=1, flat={}, parts=3)  # so few show no leak
    report = soak.run()
    assert not report.faults, "\n".join(report.faults)
    assert report.kinds.total() == REQUESTS
    assert report.most_streams == STREAMS
    assert report.characters > 100 * REQUESTS
    assert all(report.kinds[kind] for kind in soak.kinds)
    assert {*report.left} == {*Leave}
