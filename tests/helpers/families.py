"""Tests that run for every family, with values that each family has."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chat_adapters.adapters import ADAPTERS, Adapter

__all__ = ["of_families"]


def of_families(values: Callable[[Adapter], Mapping[str, Any]]) -> pytest.MarkDecorator:
    """The test runs once for each value that a family has; `server` is the family's."""
    cases = [
        pytest.param(name, value, id=f"{name}-{label}")
        for name, adapter in ADAPTERS.items()
        for label, value in values(adapter).items()
    ]
    # Without the scope, the server would last as long as the value: for one test.
    return pytest.mark.parametrize(("server", "value"), cases, indirect=["server"], scope="session")
