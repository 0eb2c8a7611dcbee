"""Hypothesis, settled so that two runs draw the same examples on any machine."""

from __future__ import annotations

import functools
import gc
import hashlib
import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

# What else is installed may register with Hypothesis, and would be loaded with it: nothing of the caller's judges.
_KEPT = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("HYPOTHESIS_")}
os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"
try:
    from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
    from hypothesis.internal.conjecture import junkdrawer, providers
    from hypothesis.internal.constants_ast import Constants
finally:
    del os.environ["HYPOTHESIS_NO_PLUGINS"]
    os.environ |= _KEPT

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILE = "harness"
#: Examples per property that a profile may replace; a request carries several batches, so the batches are many more.
EXAMPLES = 30


#: Seeds of properties that were drawn for a frozen profile, by file and name: 384 bits in hexadecimal digits.
_SEEDS: dict[str, str] = json.loads(Path(__file__).with_name("seeds.json").read_text("utf-8"))


def seed_of(name: str) -> int:
    """The seed of a property by itself: it follows from its file and name, and from none of its text.

    `name` is as in "preference/test_shape.py::test_shape_fits_every_batch_size".
    """
    kept = _SEEDS.get(name)
    return int(kept or hashlib.sha384(name.encode()).hexdigest(), 16)


class Watched:
    """A property whose examples are seen: `sink`, while there is one, is given the arguments of each call.

    Hypothesis calls what stands in `hypothesis.inner_test`, which is there for such uses.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        handle = function.hypothesis  # type: ignore[attr-defined]
        self.body = inspect.unwrap(handle.inner_test)
        self.sink: list[dict[str, Any]] | None = None
        #: How often it was called: a property that is never called has passed nothing.
        self.calls = 0

        @functools.wraps(self.body)
        def watched(**arguments: Any) -> None:
            self.calls += 1
            if self.sink is not None:
                self.sink.append(arguments)
            self.body(**arguments)

        handle.inner_test = watched


def configure() -> None:
    """Register and load the settings. Must come before any property is defined, as they take them over."""
    settings.register_profile(
        PROFILE,
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=EXAMPLES,
        print_blob=False,
        verbosity=Verbosity.normal,
        stateful_step_count=50,
        backend="hypothesis",
        report_multiple_bugs=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile(PROFILE)


@functools.cache
def settle() -> None:
    """Before Hypothesis draws or simplifies anything: let that depend on the properties alone.

    Examples that are kept are asked without this, and without Hypothesis.
    """
    # Hypothesis also draws constants that it reads from the source of whatever local modules happen to be
    # loaded. Then examples would depend on the command, the install location and the day. What it read for somebody
    # else in this process is forgotten: a caller's own tests, or ours.
    none = Constants()
    providers._get_local_constants = lambda: none  # noqa: SLF001 - there is no switch for it
    providers.CONSTANTS_CACHE.cache.clear()
    # Hypothesis times the garbage collector from a callback of it, for deadlines, of which there are none here.
    # Python drops an exception that is raised in such a callback: an interrupt that arrives there would be lost.
    junkdrawer.gc_cumulative_time()
    gc.callbacks[:] = [c for c in gc.callbacks if getattr(c, "__module__", "") != junkdrawer.__name__]


@functools.cache
def _defined(function: Callable[..., Any]) -> settings:
    """The settings that a property was defined with."""
    return cast("settings", getattr(function, "_hypothesis_internal_use_settings"))  # noqa: B009 - the only way to them


def draw(function: Callable[..., Any], examples: int) -> None:
    """Let a property have so many examples, unless it was defined with a number of its own."""
    defined = _defined(function)
    if defined.max_examples == EXAMPLES:
        vars(function)["_hypothesis_internal_use_settings"] = settings(defined, max_examples=examples)


def seeded(function: Callable[..., Any], number: int) -> None:
    """Let a property draw by this seed."""
    seed(number)(function)
