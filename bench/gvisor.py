"""(e) What gVisor costs against the engine's default runtime (runc): a whole check, and one call.

There is no target: the figures are there to decide by.
"""

from __future__ import annotations

from functools import partial

import click
import numpy as np

from bench.containers import HARNESS, ROOT
from bench.measure import Figure, ratio, seconds
from bench.round_trip import CALLS, PAIRS, median_call
from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.setup import gvisor
from harness.subject.batches import batch_of

LOSS = ROOT / "examples" / "dpo.py"


class RuntimeMissingError(click.ClickException):
    """gVisor is not there to be measured."""

    exit_code = 3

    def __init__(self) -> None:
        super().__init__(
            f"the engine knows no runtime {gvisor.NAME}, so what gVisor costs cannot be measured.\n"
            f"Next step: {gvisor.REMEDY}."
        )


def require() -> None:
    """Raise RuntimeMissingError, which says what to do, where the engine does not know gVisor."""
    if not gvisor.is_registered():
        raise RuntimeMissingError


def whole_check(times: int) -> Figure:
    """One cold `harness check` of DPO in a fresh process, under gVisor over the same under runc."""
    require()
    plain = [str(HARNESS), "check", str(LOSS)]
    inside = [*plain, "--runtime", gvisor.NAME]
    seconds(inside), seconds(plain)
    sides = (("under gVisor", lambda: seconds(inside)), ("under runc", lambda: seconds(plain)))
    return ratio("gvisor", "`harness check` of DPO under gVisor / under runc", None, sides, times)


def one_call(times: int) -> Figure:
    """The median over some hundreds of calls of two sandboxes that are up at once, asked in turns."""
    require()
    batch = batch_of(np.linspace(-8.0, 8.0, PAIRS), 0.1)
    with (
        Checker.open(Options(runtime=gvisor.NAME)) as isolated,
        Checker.open() as usual,
        isolated.oracle(LOSS) as inside,
        usual.oracle(LOSS) as plain,
    ):
        asked = [partial(median_call, partial(subject.answer, batch)) for subject in (inside, plain)]
        for ask in asked:
            ask(50)
        sides = (("under gVisor", partial(asked[0], CALLS)), ("under runc", partial(asked[1], CALLS)))
        what = f"oracle round trip for {PAIRS} pairs under gVisor / under runc"
        return ratio("gvisor-call", what, None, sides, times)
