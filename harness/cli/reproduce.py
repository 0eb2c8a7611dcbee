"""`harness reproduce FILE`: do again what an archive tells of, and say what the first difference is."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from rich.console import Console

    from harness.attestation.statement import NoVerdictStatement, VerdictStatement
    from harness.core.candidate import Candidate
    from harness.core.verdict import Json
    from harness.crate.compare import Difference
    from harness.crate.read import DiscoveryCrate, RunCrate
    from harness.discover.track import Track
    from harness.ladder.context import Progress

    _Verdict: TypeAlias = VerdictStatement | NoVerdictStatement

#: So many differences are shown.
_SHOWN = 12


@click.command("reproduce")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("candidates", nargs=-1, type=click.Path(path_type=Path), metavar="[CANDIDATE...]")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="The JSON report that belongs to FILE.")
@click.option("--rung", metavar="NAME|N", help="As far as this rung, by its name or its number from 1.  [default: all]")
@click.option("--gpu", default="none", show_default=True, metavar="auto|none|N", help="The GPU for it.")
@click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="The data of the user's that the ladder trains on.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep its ledger here.  [default: none is kept]"
)
@click.option(
    "--key", "pems", multiple=True, type=click.Path(path_type=Path), metavar="PEM", help="Trust this key for once."
)
def reproduce_command(
    file: Path,
    candidates: tuple[Path, ...],
    *,
    report: Path | None,
    rung: str | None,
    gpu: str,
    data_dir: str | None,
    folder: Path | None,
    pems: tuple[Path, ...],
) -> None:
    """Do it again, and compare: bit for bit on a CPU, within bounds on a GPU.

    FILE is what `harness export` wrote: then its ladder is climbed again with its candidate, or its discovery is gone
    through again with the replies that were recorded. Or it holds records of
    checks (`harness check --record`): then each CANDIDATE is judged again. It is verified first, by keys that are
    trusted here or given; an archive also by those that lie in it: then it is known to be whole, and not by whom it is.
    Images that an archive needs are built where they are not there.

    Exit code: 0 all is the same, 1 something differs or the archive does not hold, 2 the command makes no sense, 3 it
    could not be done again.
    """
    from harness.cli.progress import say  # noqa: PLC0415 - the help of the command needs none of it
    from harness.cli.verify import end_unless_it_holds, look_at_archive  # noqa: PLC0415
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.files import LARGE, load_bytes  # noqa: PLC0415
    from harness.crate.read import MAGIC, DiscoveryCrate  # noqa: PLC0415
    from harness.report.text import make_console  # noqa: PLC0415

    console, data = make_console(sys.stdout), load_bytes(file, LARGE, "the file", links=True)
    if not data.startswith(MAGIC):
        _checks(console, file, data, candidates, report, gpu, pems)
    if candidates or report is not None:
        raise click.UsageError("an archive has its candidate and its reports in it")
    crate, problems, whose = look_at_archive(data, pems)
    end_unless_it_holds(problems)
    if crate is None:
        raise TypeError("what is no archive has a problem")
    say(f"harness: {sanitize.path(str(file))} holds, {whose}")
    if isinstance(crate, DiscoveryCrate) and (rung is not None or data_dir is not None):
        raise click.UsageError("--rung and --data-dir are for the archive of a run")
    with tempfile.TemporaryDirectory(prefix="harness-again-") as own:
        place = (folder or Path(own)).resolve()
        if isinstance(crate, DiscoveryCrate):
            done, found = _discovered(crate, place, gpu)
        else:
            done, found = _repeated(crate, place, rung, gpu, data_dir)
    _print(console, done, found)
    sys.exit(1 if found else 0)


def _checks(
    console: Console,
    file: Path,
    data: bytes,
    paths: tuple[Path, ...],
    report: Path | None,
    gpu: str,
    pems: tuple[Path, ...],
) -> NoReturn:
    """Judge candidates again, by the records of their verdicts."""
    from harness.api import read_all  # noqa: PLC0415 - as above
    from harness.cli.progress import say  # noqa: PLC0415
    from harness.cli.verify import end_unless_it_holds, look_at_records  # noqa: PLC0415
    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.errors import UserError  # noqa: PLC0415
    from harness.crate.check_again import check_again  # noqa: PLC0415

    if not paths:
        raise UserError("a record has no candidate in it", remedy=f"harness reproduce {file} CANDIDATE...")
    verdicts, problems, whose = look_at_records(file, data, pems)
    end_unless_it_holds(problems)
    say(f"harness: {sanitize.path(str(file))} holds, {whose}")
    given = read_all(list(paths))
    for candidate in given:
        if candidate.sha256 not in verdicts:
            told = f"no record in {file} is about {sanitize.path(candidate.path)}"
            raise UserError(told, remedy="`harness verify` lists what they are about")
    results = {} if report is None else _results(report)
    if report is not None:
        end_unless_it_holds([why for one in given if (why := _strange(results, one, verdicts[one.sha256]))])
    differ = False
    for candidate in given:
        for then in verdicts[candidate.sha256]:
            found = check_again(then, candidate, results.get(then.predicate.digest("report")), gpu=gpu)
            differ = differ or bool(found)
            _print(console, [sanitize.path(candidate.path), *_which(then, verdicts[candidate.sha256])], found)
    sys.exit(1 if differ else 0)


def _results(report: Path) -> dict[str, dict[str, Json]]:
    """The results in a report, by the digests that records name them by. Raises UserError for what is no report."""
    from harness.core.errors import UserError  # noqa: PLC0415 - as above
    from harness.core.files import LARGE, load_bytes  # noqa: PLC0415
    from harness.report.json_report import compared_results  # noqa: PLC0415

    try:
        return dict(compared_results(load_bytes(report, LARGE, "the report", links=True)))
    except ValueError as error:
        told = str(error).partition("\n")[0]
        remedy = "give the file that `harness check --report json=FILE` wrote with the record"
        raise UserError(f"{report} cannot be read as a report: {told}", remedy=remedy) from error


def _strange(results: Mapping[str, Mapping[str, Json]], candidate: Candidate, verdicts: Sequence[_Verdict]) -> str:
    """Why a report is none that belongs to the records of a candidate's verdicts; empty where it is."""
    from harness.core import text as sanitize  # noqa: PLC0415 - as above

    mine = {digest for digest, result in results.items() if result["sha256"] == candidate.sha256}
    name = sanitize.path(candidate.path)
    if not mine:
        return f"the report says nothing of {name}"
    known = {then.predicate.digest("report") for then in verdicts}
    return "" if mine <= known else f"what the report says of {name} is not what was recorded"


def _which(then: _Verdict, among: Sequence[_Verdict]) -> list[str]:
    """Which of a candidate's verdicts it is, where there are several."""
    said = then.predicate
    told = [f"profile {said.annotations('profile').get('name')}", f"seed {said.annotations('questions').get('seed')}"]
    return told if len(among) > 1 else []


def _repeated(
    crate: RunCrate, folder: Path, rung: str | None, gpu: str, data_dir: str | None
) -> tuple[Sequence[str], Sequence[Difference]]:
    """Do it again, and tell how far it is."""
    from harness.cli.paced import paced  # noqa: PLC0415 - as above
    from harness.cli.progress import say  # noqa: PLC0415
    from harness.core.stopping import Stop, heeding  # noqa: PLC0415
    from harness.crate.repeat import ensure_images, repeat  # noqa: PLC0415

    at = ["the images"]

    def watch(progress: Progress) -> None:
        seed = f", seed {progress.seed}" if progress.seed is not None else ""
        at[0] = f"the rung {progress.rung}{seed}"

    with heeding(Stop(say=say)) as stop, paced(lambda: f"doing it again: {at[0]}"):
        ensure_images(crate, gpu=gpu, say=lambda what: at.__setitem__(0, what))
        repeated = repeat(crate, folder, rung=rung, gpu=gpu, data_dir=data_dir, stopping=stop, watch=watch)
    return repeated.rungs, repeated.differences


def _discovered(crate: DiscoveryCrate, folder: Path, gpu: str) -> tuple[Sequence[str], Sequence[Difference]]:
    """Do a discovery again, and tell how far it is."""
    from harness.cli.paced import paced  # noqa: PLC0415 - as above
    from harness.cli.progress import say  # noqa: PLC0415
    from harness.core.stopping import Stop, heeding  # noqa: PLC0415
    from harness.crate.repeat import ensure_images  # noqa: PLC0415
    from harness.discover.again import again  # noqa: PLC0415

    at = ["the images"]

    def watch(track: Track) -> None:
        at[0] = f"attempt {len(track.rows) + 1}, {track.doing}"

    with heeding(Stop(say=say)) as stop, paced(lambda: f"doing it again: {at[0]}"):
        ensure_images(crate, gpu=gpu, say=lambda what: at.__setitem__(0, what))
        made = again(crate, folder, gpu=gpu, stopping=stop, watch=watch)
    return [f"{made.attempts} attempts", f"{made.losses} losses"], made.differences


def _print(console: Console, what: Sequence[str], differences: Sequence[Difference]) -> None:
    from rich.text import Text  # noqa: PLC0415 - as above

    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.report.text import emit  # noqa: PLC0415

    named = ", ".join(map(sanitize.path, what))
    if not differences:
        emit(console, Text.assemble(("✓ ", "green"), f"the same again, to the bit: {named}"))
        return
    emit(console, Text.assemble(("✗ ", "bold red"), f"not the same again ({named}); the first difference comes first"))
    for one in differences[:_SHOWN]:
        then, now = (sanitize.one_line(told, 160) for told in (one.then, one.now))
        emit(console, Text(f"  {one.layer}: {sanitize.one_line(one.where, 160)}"))
        emit(console, Text(f"    then {then}"))
        emit(console, Text(f"    now  {now}"))
        if one.remedy:
            emit(console, Text(f"    next step: {sanitize.one_line(one.remedy, 160)}", "dim"))
    if (more := len(differences) - _SHOWN) > 0:
        emit(console, Text(f"  and {more} more"))
    layers = {one.layer for one in differences}
    if layers <= {"hardware", "outcome"}:
        left = (
            "the hardware above, the host's C library, or a GPU"
            if "hardware" in layers
            else "the host's C library, or a GPU"
        )
        told = "candidate, code, images, questions and data are the same: what is left is"
        emit(console, Text(f"{told} {left} (docs/reproducibility.md says who is affected)"))
