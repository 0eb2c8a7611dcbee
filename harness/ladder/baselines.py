"""What a baseline reaches at a rung, seed by seed: measured once, by the same code, and kept."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.resources
import json
from typing import TYPE_CHECKING

from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.core.files import SMALL, read_bytes, write_whole
from harness.core.waiting import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.ladder.plan import RungPlan

    #: Measures a candidate at a rung for one seed.
    Measure = Callable[[Candidate, RungPlan, int], dict[str, float]]

#: Where known losses lie, those for preferences and those of each other contract. No two have the same name.
CATALOGUES = ("harness.losses", "harness.losses.classification", "harness.losses.lists")

#: Digits of an evaluation's digest in the name of a file.
_DIGITS = 32


def baseline_candidate(name: str) -> Candidate:
    """A loss of the catalogue, as a candidate. Raises UserError for a name that is not there."""
    for package in CATALOGUES:
        file = importlib.resources.files(package).joinpath(f"{name}.py")
        if name.isidentifier() and file.is_file():
            data = file.read_bytes()
            path = f"{package.replace('.', '/')}/{name}.py"
            return Candidate(path, data, hashlib.sha256(data).hexdigest())
    raise UserError(f"there is no baseline {name!r}", remedy="name a loss of harness/losses")


class Baselines:
    """Scores of baselines in a folder, one file for each evaluation and seed.

    The evaluation's digest covers code, image, settings and data, so that nothing stale is ever found. Of two workers
    that want the same at once, one measures and the other waits for it, until it is told to stop.
    """

    def __init__(self, folder: Path, measure: Measure, stopping: Callable[[], bool] = lambda: False) -> None:
        self._folder = folder
        self._measure = measure
        self._stopping = stopping
        self._known: dict[tuple[str, int], dict[str, float]] = {}

    def known(self, evaluation: str, seed: int) -> bool:
        """Whether the metrics of a seed are there."""
        return (evaluation, seed) in self._known or read_metrics(self._place(evaluation, seed)) is not None

    def outdated(self, plan: RungPlan, evaluation: str) -> bool:
        """Whether a rung's baseline was measured last by other code, in another image or on other data.

        What was kept then is not used: it is measured again.
        """
        try:
            return read_bytes(self._last(plan), SMALL).decode() != evaluation[:_DIGITS]
        except FileNotFoundError:  # nothing of this rung; or all of it by a version that did not tell
            return any(self._folder.glob("*.json")) and not any(self._folder.glob("*.last"))
        except (OSError, ValueError):
            return False

    def scores(self, plan: RungPlan, evaluation: str, seed: int) -> dict[str, float]:
        """The metrics of the rung's baseline for a seed. A baseline that fails is a fault of ours."""
        key = (evaluation, seed)
        if key not in self._known:
            path = self._place(evaluation, seed)
            self._known[key] = kept_metrics(path, lambda: self._measured(path, plan, seed), self._stopping)
        return self._known[key]

    def _place(self, evaluation: str, seed: int) -> Path:
        return self._folder / f"{evaluation[:_DIGITS]}-{seed}.json"

    def _measured(self, path: Path, plan: RungPlan, seed: int) -> dict[str, float]:
        try:
            found = self._measure(baseline_candidate(plan.baseline), plan, seed)
        except CandidateFault as fault:
            raise InfrastructureError(f"the baseline {plan.baseline} failed: {fault}") from fault
        _write(self._last(plan), path.name.partition("-")[0])
        return found

    def _last(self, plan: RungPlan) -> Path:
        """The file that holds the digest under which a rung's baseline was measured last."""
        return self._folder / f"{hashlib.sha256(repr(plan).encode()).hexdigest()[:32]}.last"


def kept_metrics(
    path: Path, measure: Callable[[], dict[str, float]], stopping: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """The metrics in a file; measured, and written there, where it holds none.

    Of two that want the same at once, one measures and the other waits for it. Raises what `measure` raises, and
    StoppedError.
    """
    if (found := read_metrics(path)) is not None:
        return found
    with _alone(path, stopping):
        if (found := read_metrics(path)) is None:
            found = measure()
            _write(path, json.dumps(found, sort_keys=True))
    return found


@contextlib.contextmanager
def _alone(path: Path, stopping: Callable[[], bool]) -> Iterator[None]:
    """Wait until nobody else measures the same. Raises StoppedError."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # where nothing can be kept, nothing is waited for
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(path.with_name(f".{path.stem}.lock"), stopping))
        yield


def read_metrics(path: Path) -> dict[str, float] | None:
    """The metrics in a file; None where there are none."""
    try:
        return {str(k): float(v) for k, v in json.loads(read_bytes(path, SMALL)).items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None  # damaged: it is measured again, and written anew


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # it can always be measured again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
