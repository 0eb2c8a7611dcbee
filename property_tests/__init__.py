"""One property per file: an ordinary pytest and Hypothesis suite over the `candidate` fixture, a folder for a contract.

Each folder lists its properties in `PROPERTY_MODULES`; nothing is discovered, so nothing untrusted can register itself.
What is asked of losses of every contract is in `common/`. To add a property: a file with a `RULE` and its tests, an
entry in its folder's list, known-bad losses in `tests/quality/`, and the id in a new profile.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from harness.core.contract import CONTRACTS
from harness.property_tests.configure import configure

if TYPE_CHECKING:
    from harness.core.rules import Rule

configure()


def property_rules() -> tuple[Rule, ...]:
    """The rules of all contracts, each in order of id."""
    suites = [importlib.import_module(f"{__name__}.{contract}") for contract in CONTRACTS]
    return tuple(rule for suite in suites for rule in suite.PROPERTY_RULES)
