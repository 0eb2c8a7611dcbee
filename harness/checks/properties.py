"""The properties that a profile asks: which they are, in which order, with how many examples and by which seed.

They are plain functions of a candidate, defined in `property_tests/`. Nothing is searched for: a contract's suite names
its files, a profile the rules, and what is missing of a rule leaves every candidate undecided.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from harness.property_tests.common.strategies import judge_over
from harness.property_tests.configure import Watched, draw, seed_of, seeded, settle
from harness.property_tests.editions import belongs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from harness.core.profiles import Profile
    from harness.core.rules import Rule

#: Raised by a property that cannot be asked here, as on a host without a GPU: pytest and Hypothesis know it.
Skipped = SkipTest


@dataclass(frozen=True, eq=False)
class Property:
    """One property: `function` as it is defined, which Hypothesis calls where it has examples to draw.

    `name` is its file and its name, as in `pytest property_tests`; `watched` is None where nothing is drawn.
    """

    name: str
    rule: Rule
    function: Callable[..., None]
    watched: Watched | None

    @property
    def body(self) -> Callable[..., None]:
        """The property without Hypothesis: it takes one example."""
        return self.function if self.watched is None else self.watched.body


class Properties:
    """Those of one profile and seed. Raises nothing for what is missing: `absent` says what, by rule."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self.profile, self.seed = profile, seed
        self.package = package_of(profile.contract)
        self.absent: dict[str, str] = {}
        modules = {module.RULE.id: module for module in self.package.PROPERTY_MODULES}
        found: list[Property] = []
        for rule in profile.properties:
            tests = tests_of(modules[rule], profile.edition) if rule in modules else []
            found += tests
            if not tests:
                self.absent[rule] = "it has no test in this edition" if rule in modules else "there is no such rule"
        self.all = tuple(found)

    def settle(self) -> None:
        """Let what is built of an example be of this profile's domain and edition: that is shared by a process."""
        judge_over(self.profile.domain, self.profile.edition)

    def ready_for_hypothesis(self) -> None:
        """Let Hypothesis draw and simplify as this profile and seed want it; asking known examples needs none of it."""
        self.settle()
        settle()
        if _Drawn.by is self:
            return
        _Drawn.by = self
        for each in self.all:
            if each.watched is not None:
                draw(each.function, self.profile.examples)
                # Without a seed, too: the functions outlive whoever gave them one before.
                seeded(each.function, self.seed or seed_of(each.name.partition("/")[2]))


class _Drawn:
    """For which properties Hypothesis is ready."""

    by: Properties | None = None


def package_of(contract: str) -> Any:
    """The package that holds the properties of a contract."""
    return importlib.import_module(f"harness.property_tests.{contract}")


def tests_of(module: ModuleType, edition: str) -> list[Property]:
    """The properties of a file that are a part of an edition, in the order that they stand in."""
    return [
        _property(module, test)
        for name, test in vars(module).items()
        if name.startswith("test_") and inspect.isfunction(test) and belongs(test, edition)
    ]


@functools.cache
def _property(module: ModuleType, test: Callable[..., None]) -> Property:
    name = f"{module.__name__.partition('.')[2].replace('.', '/')}.py::{test.__name__}"
    return Property(name, module.RULE, test, Watched(test) if hasattr(test, "hypothesis") else None)
