"""What tests with a container share beside the fixtures: the command, what a call of it gave, oracles on a text.

Not in conftest.py: several folders have a module of that name, and an import finds whichever came last.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checks.run import check
from harness.containers.request import Recipe
from harness.core.candidate import Candidate
from harness.core.errors import CandidateFault
from harness.core.limits import Limits
from harness.core.verdict import Undecided
from harness.oracle.oracle import Oracle
from harness.oracle.sandbox import Sandbox
from harness.screen import screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.checks.options import Options
    from harness.containers.engine import Engine
    from harness.core.result import CheckResult

ROOT = Path(__file__).parent.parent


@dataclass
class Sandboxes:
    """Opens oracles on texts, one container each, and knows which containers there were."""

    engine: Engine
    image: str
    containers: list[str] = field(default_factory=list)
    #: Containers that were still there when a candidate's fault was raised.
    survivors: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def opened(
        self, text: str, *, limits: Limits | None = None, policy: bool = True, entry: str | None = None
    ) -> Iterator[Oracle]:
        """The oracle on one candidate; `policy` false is `--screen off`."""
        data = text.encode()
        candidate = Candidate("candidate.py", data, hashlib.sha256(data).hexdigest())
        program = screen(candidate, entry=entry, policy=policy)
        limits = limits or Limits()
        sandbox = Sandbox(self.engine, Recipe(self.image, limits))
        self.containers.append(sandbox.container)
        try:
            sandbox.wait_ready()
            yield Oracle(sandbox, program, limits)
        except CandidateFault:
            self.survivors += self.left()
            raise
        finally:
            sandbox.close()

    def left(self) -> list[str]:
        """Containers of these that the engine still knows."""
        return [c for c in self.containers if self.engine.state(c)]


@dataclass(frozen=True)
class Run:
    """One call of the command: exit code, both outputs, and the JSON report if there is one."""

    code: int
    out: str
    err: str
    report: dict[str, Any] | None

    @property
    def results(self) -> list[dict[str, Any]]:
        """The candidates of the report."""
        assert self.report is not None, self.out + self.err
        results: list[dict[str, Any]] = self.report["results"]
        return results

    @property
    def rules(self) -> set[str]:
        """The ids of all findings."""
        return {f["rule"] for r in self.results for f in r["findings"]}


def gone(engine: Engine, containers: Sequence[str], *, running: bool = False) -> None:
    """Wait until the engine knows none of these, or none is `running`: a command does not wait for its removals."""
    end = time.monotonic() + 300.0
    left = list(containers)
    while left := [c for c in left if (state := engine.state(c)) and (state.get("Running") or not running)]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


#: A host with other work decides nothing about who waits: `decided` asks again for so many seconds.
_UNTIL_IT_IS_LESS_BUSY = 900.0


def decided(paths: Sequence[Path], options: Options) -> list[CheckResult]:
    """Check these files, and those again that a busy host did not decide, as the verdict says one should."""
    results, end = list(check(paths, options).results), time.monotonic() + _UNTIL_IT_IS_LESS_BUSY
    while time.monotonic() < end and (again := [at for at, result in enumerate(results) if was_busy(result)]):
        for at, result in zip(again, check([Path(results[at].path) for at in again], options).results, strict=True):
            results[at] = result
    return results


def was_busy(result: CheckResult) -> bool:
    """Whether nothing was decided because the host had other work."""
    return isinstance(result.verdict, Undecided) and "less busy" in result.verdict.remedy


def harness_command(*arguments: object) -> list[str]:
    """The command, as this environment has it."""
    return [sys.executable, "-m", "harness", *map(str, arguments)]
