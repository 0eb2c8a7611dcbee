"""Run the suite by hand: `pytest property_tests --candidate loss.py`. `harness check` brings its own fixture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.judge.options import Options
from harness.judge.pipeline import open_subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.subject import Subject


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the candidate."""
    parser.addoption("--candidate", default=None, help="the loss to judge")
    parser.addoption("--entry", default=None, help="the function in it")


@pytest.fixture(scope="session")
def oracle(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The candidate, in a sandbox of its own."""
    path = request.config.getoption("--candidate")
    if path is None:
        raise pytest.UsageError("name a candidate: pytest property_tests --candidate loss.py")
    with open_subject(Path(path), Options(entry=request.config.getoption("--entry"))) as subject:
        yield subject
