"""Run the suite by hand: `pytest property_tests --candidate loss.py`. `harness check` brings its own fixture.

With `--contract classification` it is the other suite that runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.judge.options import Options
from harness.judge.pipeline import open_subject
from harness.profiles import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.subject import Subject


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the candidate."""
    parser.addoption("--candidate", default=None, help="the loss to judge")
    parser.addoption("--contract", default="preference", choices=sorted(DEFAULTS), help="what the loss takes")
    parser.addoption("--entry", default=None, help="the function in it")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the other contract's suite out; None lets pytest decide."""
    other = collection_path.parent.name == "classification"
    wanted = config.getoption("--contract") == "classification"
    return True if collection_path.suffix == ".py" and other is not wanted else None


@pytest.fixture(scope="session")
def oracle(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The candidate, in a sandbox of its own."""
    path = request.config.getoption("--candidate")
    if path is None:
        raise pytest.UsageError("name a candidate: pytest property_tests --candidate loss.py")
    profile = DEFAULTS[request.config.getoption("--contract")]
    with open_subject(Path(path), Options(profile=profile, entry=request.config.getoption("--entry"))) as subject:
        yield subject
