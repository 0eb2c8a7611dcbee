"""The public Python interface: what a search loop calls. `from harness import check, submit, Ledger`.

Errors are exceptions by fault: `harness.core.errors.UserError` for what makes no sense, `InfrastructureError` for what
is ours. A candidate's fault is no exception here but a verdict, or the state of a run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness.checks.options import Options
from harness.core.candidate import Candidate, discover, read_candidate
from harness.core.errors import CandidateFault, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.core.result import CheckReport
    from harness.ledger import Ledger
    from harness.ledger.records import Submission


def check(paths: str | Path | Sequence[str | Path], options: Options | None = None) -> CheckReport:
    """Check candidates at paths (files, or folders of them), each in a container of its own; results keep that order.

    Raises UserError. A fault of ours is a verdict of Undecided.
    """
    from harness.checks.run import check as run  # noqa: PLC0415 - loads what judges

    chosen = [paths] if isinstance(paths, (str, Path)) else paths
    return run([Path(path) for path in chosen], options or Options())


def text_candidate(text: str, name: str = "candidate.py") -> Candidate:
    """A candidate from a text that lies in no file."""
    data = text.encode("utf-8")
    return Candidate(name, data, hashlib.sha256(data).hexdigest())


def read_all(paths: Iterable[Path], exclude: Sequence[str] = ()) -> list[Candidate]:
    """The candidates at paths (files, or folders of them), in the order that they are submitted in.

    Raises UserError for a path that is none, a folder without one, and what cannot be read as a candidate.
    """
    out = []
    for path in discover(list(paths), exclude).candidates:
        try:
            out.append(read_candidate(path))
        except CandidateFault as fault:
            raise UserError(f"{path} cannot be submitted: {fault}", remedy="`harness check` says more") from fault
    return out


def submit(
    candidates: Iterable[str | Path | Candidate],
    *,
    ledger: Ledger,
    profile: str = "bandit",
    priority: int = 0,
    again: bool = False,
    exclude: Sequence[str] = (),
) -> list[Submission]:
    """Queue candidates (paths, folders, or `text_candidate`) for a ladder; one run each, however often submitted.

    `profile` is the name of a ladder, or the path of a file of your own (.toml), and `exclude` are patterns of files
    that are left out of folders. `again` runs them whatever the ledger knows: from the first rung on where they have
    ended, and though another run is the same function. Raises UserError for a path that is none, or cannot be read as a
    candidate, and then submits nothing.
    """
    from harness.ladder.ladder import load  # noqa: PLC0415 - pydantic is not needed to check

    ladder = load(profile)
    entries: list[tuple[Candidate, str]] = []
    for each in candidates:
        read = [each] if isinstance(each, Candidate) else read_all([Path(each)], exclude)
        entries += [(one, Path(one.path).stem) for one in read]
    if not entries:
        raise UserError("nothing was submitted", remedy="name files, or folders that hold some")
    if ladder.own:
        ledger.keep(ladder.own)  # so that every worker has it, on whatever machine
    return ledger.submit(
        entries,
        profile=ladder.name,
        profile_digest=ladder.digest,
        needs=ladder.rungs[0].needs,
        priority=priority,
        again=again,
    )
