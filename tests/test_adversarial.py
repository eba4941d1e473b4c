"""What costs most to read, in every format and dialect: the kit's check of the cost, at full size."""

from itertools import product

import pytest
from formats import FORMATS

from chat_adapters.adapters import ADAPTERS, PythonCall, Tool
from chat_adapters.toolkit.checks import check_reading, pieces, read
from chat_adapters.toolkit.counting import translated
from chat_adapters.toolkit.kit_cost import WAITING, cost, endless, growth, places, starts_and_units, units

TOOLS = [Tool("f"), Tool("f" * 64), Tool("python")]
NAMES = [name for name in FORMATS if name.partition(" ")[0] in ADAPTERS]
every_format = pytest.mark.parametrize("name", NAMES)
slow = pytest.mark.slow


@every_format
@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=slow)])
def test_no_delta_is_looked_at_more_than_four_times(name: str, everywhere: bool) -> None:
    """Each reply in single characters, in small pieces and in one."""
    format, counted = FORMATS[name], translated(FORMATS[name])
    pairs = list(product(places(format), units(format)) if everywhere else starts_and_units(format))
    for size, step in ((WAITING + 50, 1), (700, 37), (3000, 3000)):
        for start, unit in pairs:
            cost(counted, endless(start, unit, size), step)


@every_format
@pytest.mark.parametrize(("size", "part"), [(40_000, 20_000), pytest.param(1_000_000, 50_000, marks=slow)])
def test_a_long_reply_costs_what_its_parts_cost(name: str, size: int, part: int) -> None:
    for unit in units(FORMATS[name]):
        growth(translated(FORMATS[name]), unit, size, part)


@pytest.mark.parametrize("unit", ["{", "\\", "opener"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_a_megabyte_costs_what_its_parts_cost(name: str, unit: str) -> None:
    """The same at its full size, for a few; the others are among the slow ones."""
    opener = FORMATS[name].call.open or FORMATS[name].tag
    growth(translated(FORMATS[name]), opener if unit == "opener" else unit, 1_000_000, 50_000)


@every_format
@pytest.mark.parametrize("size", [5_000, pytest.param(1_000_000, marks=slow)])
def test_nothing_of_a_long_reply_is_lost(name: str, size: int) -> None:
    format = FORMATS[name]
    translated = any(isinstance(form, PythonCall) or form.python for form in format.forms)
    for unit in units(format):
        reply = endless("", unit, size)
        whole = read(format, TOOLS, [reply])
        check_reading(reply, whole, translated=translated)
        assert read(format, TOOLS, pieces(reply, range(0, size, 997))) == whole
