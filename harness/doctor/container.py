"""What `harness check` asks of every sandbox before a candidate, shown check by check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.containers import isolation
from harness.doctor.model import Check
from harness.sandbox import confinement as seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.doctor.model import Outcome
    from harness.protocol.frames import Confinement

ACCEPTED = Check(
    "D301",
    "request-accepted",
    "The engine takes every limit of the request, and says so.",
    "use cgroup v2 with the controllers memory, pids and cpu, delegated where the engine is rootless",
)
BUILT = Check(
    "D302",
    "built-as-asked",
    "The container is built as it was asked for: no privileges, no mounts, no network, every limit.",
    "use a current Docker or Podman with nothing between it and the harness that rewrites requests",
)
CONFINED = Check(
    "D303",
    "confined-inside",
    "The first process sees itself confined: filter, privileges, user, root, network, limits.",
    "see that the engine, its runtime and the kernel do what the engine's description promises",
)
CHECKS = (ACCEPTED, BUILT, CONFINED)


def examine(evidence: isolation.Evidence, asked: isolation.Asked) -> Iterator[Outcome]:
    """The preflight's three witnesses, one by one."""
    runtime = isolation.runtime_of(evidence, asked)
    yield _outcome(ACCEPTED, isolation.warned(evidence.warnings), "no warning about a limit")
    yield _outcome(BUILT, isolation.built(evidence.built, asked), "no privileges, mounts or network; all limits")
    problems = isolation.confined(evidence.inside, asked, runtime=runtime)
    yield _outcome(CONFINED, problems, _summary(evidence.inside, runtime))


def _outcome(check: Check, problems: Iterable[isolation.Problem], good: str) -> Outcome:
    found = list(problems)
    if not found:
        return check.ok(good)
    serious = [problem for problem in found if not problem.waivable]
    seen_ = "; ".join(map(str, found))
    remedy = (serious or found)[0].remedy
    return check.failed(seen_, remedy) if serious else check.warning(seen_, remedy)


def _summary(inside: Confinement, runtime: str) -> str:
    kernel = "gVisor's kernel" if inside.has(seen.GVISOR) else "a filter of system calls"
    return f"{runtime or 'the default runtime'}, {kernel}, user {inside.uid}, no capability, no network, read-only root"
