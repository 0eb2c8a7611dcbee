"""A check that asks less, in this process: a few properties in place of a profile's twenty.

For tests whose subject is not how much is asked: what a hostile candidate does to its sandbox, or that the one rule
which names a fault names it. It costs a fifth. The product has no such switch, and `make test-all` puts the same files
to all of a profile.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from support import decided

from harness.checks import checker
from harness.checks.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from harness.core.profiles import Profile
    from harness.core.result import CheckResult

#: Asked of all: time, shape, size, finite values and gradients, and that an answer does not depend on those before.
BASE = {f"P{contract}{number}" for contract in (3, 4, 5) for number in ("15", "01", "17", "02", "03", "10")}
#: A gradient without a number is told by whichever property meets it.
MET_BY = {"P313": ("P308",)}
#: Who sleeps is waited for so many times as long as who computes, and not ten times.
PATIENCE = 5.0


@contextlib.contextmanager
def asking(rules: Collection[str]) -> Iterator[None]:
    """Meanwhile, a check of this process asks `BASE` and these rules of its profile, and no second container."""
    # The checker's own name for it, which is what a check calls.
    named: Any = checker
    whole: Callable[[str], Profile] = named.load
    asked = BASE.union(rules, *(MET_BY[rule] for rule in rules if rule in MET_BY))

    def load(name: str) -> Profile:
        profile = whole(name)
        limits = tuple((key, PATIENCE if key == "patience" else number) for key, number in profile.limit_numbers)
        rules = tuple(rule for rule in profile.properties if rule in asked)
        return replace(profile, properties=rules, limit_numbers=limits, witness=None)

    named.load = load
    try:
        yield
    finally:
        named.load = whole


def checked(wanted: Mapping[Path, Collection[str]], options: Options | None = None) -> dict[Path, CheckResult]:
    """Check each path by `BASE` and the rules beside it; those of the same rules in one call, in one process."""
    groups: dict[frozenset[str], list[Path]] = {}
    for path, rules in wanted.items():
        groups.setdefault(frozenset(rules) - BASE, []).append(path)
    results: dict[Path, CheckResult] = {}
    for rules, paths in groups.items():
        with asking(rules):
            results |= zip(paths, decided(paths, options or Options()), strict=True)
    return results
