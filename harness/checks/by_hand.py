"""The plugin of the suite that is run by hand: `pytest property_tests --candidate loss.py`.

With `--contract NAME` it is the suite of another contract that runs. What is asked, in which order and how often, is
what the newest profile of the contract says, as in `harness check`, and Hypothesis draws the same examples. Not here:
the facts, the second container, and the settings of declared parameters but the first.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.checks.properties import Properties, package_of
from harness.core.contract import CONTRACTS
from harness.core.pins import pin_host
from harness.core.profiles import DEFAULTS, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.subject.subject import Subject


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the candidate."""
    parser.addoption("--candidate", default=None, help="the loss to judge")
    parser.addoption("--contract", default="preference", choices=sorted(DEFAULTS), help="what the loss takes")
    parser.addoption("--entry", default=None, help="the function in it")


def pytest_configure(config: pytest.Config) -> None:
    """Let the files be the modules that the profile's order is about, by whichever path pytest comes to them."""
    pin_host()  # the properties load numpy, and are imported below; nothing above them does
    config.addinivalue_line("filterwarnings", "ignore")  # numbers that are not finite are a matter of course here
    package_of(config.getoption("--contract"))
    for name, module in list(sys.modules.items()):
        if name.startswith("harness.property_tests.") and not name.endswith("conftest"):
            sys.modules.setdefault(name.partition(".")[2], module)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the suites of other contracts out; None lets pytest decide."""
    wanted = config.getoption("--contract")
    return True if collection_path.name in CONTRACTS.keys() - {wanted} else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ask what the profile asks, in its order, with its number of examples."""
    properties = Properties(load(DEFAULTS[config.getoption("--contract")]), 0)
    properties.ready_for_hypothesis()
    order: dict[object, int] = {each.function: place for place, each in enumerate(properties.all)}
    found = [(order.get(getattr(item, "function", None)), item) for item in items]
    config.hook.pytest_deselected(items=[item for place, item in found if place is None])
    asked = {place: item for place, item in found if place is not None}
    items[:] = [asked[place] for place in sorted(asked)]


@pytest.fixture(scope="session")
def candidate(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The candidate, in a sandbox of its own."""
    path = request.config.getoption("--candidate")
    if path is None:
        raise pytest.UsageError("name a candidate: pytest property_tests --candidate loss.py")
    profile = DEFAULTS[request.config.getoption("--contract")]
    options = Options(profile=profile, entry=request.config.getoption("--entry"))
    with Checker.open(options) as checker, checker.oracle(Path(path)) as subject:
        yield subject
