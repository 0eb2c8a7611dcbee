"""Where runs lie: a folder for each under the project's own, with its journal, candidates, pictures and summary."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import InfrastructureError, UserError

JOURNAL = "journal.jsonl"
_MOST = 100_000


def new_run(project: Path) -> Path:
    """Make the folder of a new run: run-1, run-2 and so on. Raises UserError and InfrastructureError."""
    above = project / "discover"
    try:
        above.mkdir(parents=True, exist_ok=True)
        taken = [int(p.name[4:]) for p in above.iterdir() if p.name.startswith("run-") and p.name[4:].isdigit()]
        for number in range(max(taken, default=0) + 1, _MOST):
            try:
                (above / f"run-{number}").mkdir()
            except FileExistsError:  # another process was quicker
                continue
            return above / f"run-{number}"
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{above} cannot be a folder", remedy="name another place with --folder") from error
    except OSError as error:
        raise InfrastructureError(f"no folder could be made in {above}: {error.strerror}") from error
    raise UserError(f"there are too many runs in {above}", remedy="move old ones away")


def find_run(project: Path, run: str) -> Path:
    """The folder of a run, by its name or its path. Raises UserError where there is none."""
    for folder in (project / "discover" / run, Path(run)):
        if (folder / JOURNAL).is_file():
            return folder
    known = sorted(p.parent.name for p in (project / "discover").glob(f"*/{JOURNAL}") if p.is_file())
    remedy = f"there are: {', '.join(known[-10:])}" if known else "`harness discover` makes one"
    raise UserError(f"there is no run {run} in {project / 'discover'}", remedy=remedy)
