"""Lantern's adapter keeps what every adapter must."""

from pathlib import Path

from chat_adapters_lantern import LANTERN

from chat_adapters.toolkit.kit import Conformance


class TestLantern(Conformance):
    adapter = LANTERN
    fixtures = Path(__file__).parent.parent / "fixtures" / "lantern"
