"""`harness check`: from files to verdicts."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.checks.options import Options
from harness.checks.run import check
from harness.core.contract import CONTRACTS
from harness.core.profiles import profile_for

if TYPE_CHECKING:
    from harness.attestation.keys import Signing
    from harness.checks.job import Job
    from harness.core.result import CheckReport, CheckResult
    from harness.report import Format


@click.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--profile", help="The dated set of rules to check by.  [default: the contract's newest]")
@click.option("--contract", type=click.Choice(list(CONTRACTS)), help="What a loss takes.  [default: preference]")
@click.option("--entry", metavar="NAME", help="The function to check, where a file has several.")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FMT=FILE",
    help="Write a report: text, json, sarif, junit, github, gitlab, html or markdown; - is standard output.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the verdicts as signed records, which `harness verify` reads.",
)
@click.option("--nonce", default="", metavar="TEXT", help="With --record: a word that the records are to repeat.")
@click.option("--static", is_flag=True, help="Stop after the screen: no container, no engine.")
@click.option("--screened-ok", is_flag=True, help="With --static: exit 0 for candidates that pass the screen alone.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Files or folders to leave out of a folder, as *.py.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1, 256), help="Candidates at a time.")
@click.option("--gpu", default="auto", show_default=True, metavar="auto|none|N", help="The GPU to pass through.")
@click.option("--runtime", metavar="NAME", help="A runtime of the engine, such as runsc (gVisor).")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Draw other examples.")
@click.option("--plots", metavar="DIR", type=click.Path(path_type=Path), help="Draw pictures into a folder.")
@click.option(
    "--screen",
    "screen_mode",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="Off: only the text's form is looked at; the container holds alone.",
)
@click.option("--image", metavar="TAG", help="Another sandbox image than the current one.")
@click.option(
    "--warm/--no-warm",
    default=True,
    show_default=True,
    envvar="HARNESS_WARM",
    help="Take sandboxes that `harness warm` keeps.",
)
def check_command(
    paths: tuple[Path, ...],
    *,
    profile: str | None,
    contract: str | None,
    entry: str | None,
    reports: tuple[str, ...],
    record: Path | None,
    nonce: str,
    static: bool,
    screened_ok: bool,
    exclude: tuple[str, ...],
    jobs: int,
    gpu: str,
    runtime: str | None,
    seed: int,
    plots: Path | None,
    screen_mode: str,
    image: str | None,
    warm: bool,
) -> None:
    """Check untrusted losses, each in a container of its own.

    PATHS are files (Python, or a language model's reply in JSON) and folders of them.

    Exit code: 0 every candidate accepted, 1 at least one rejected, 2 the command makes no sense, 3 the
    harness could not decide or (--static) judged nothing, 130 interrupted.
    """
    from harness.report import parse_report_option  # noqa: PLC0415 - after the options are known to be sound

    if nonce and record is None:
        raise click.UsageError("--nonce goes with --record")
    destinations = [parse_report_option(option) for option in reports]
    signing = None if record is None else _Signing(record, nonce, (*paths, *(path for _, path in destinations)))
    if static:
        # The screen is a process of its own, which is waited for: what shows its word is loaded meanwhile.
        threading.Thread(target=_load_report, daemon=True).start()
    if plots is not None:
        from harness.plots.plots import require_folder, require_matplotlib  # noqa: PLC0415

        require_matplotlib()
        require_folder(plots)
    options = Options(
        profile=profile_for(contract, profile),
        entry=entry,
        seed=seed,
        jobs=jobs,
        gpu=gpu,
        runtime=runtime,
        static=static,
        screened_ok=screened_ok,
        exclude=exclude,
        screen=screen_mode == "on",
        image=image,
        warm=warm,
    )
    report = _with_progress(paths, options)
    from harness.cli.progress import tell_excluded  # noqa: PLC0415 - after the sandbox was asked for

    tell_excluded(paths, exclude)
    _write(report, destinations)
    if signing is not None:
        signing.write(report, options)
    if plots is not None:
        from harness.plots.plots import draw_all  # noqa: PLC0415

        draw_all(report, plots)
    sys.exit(report.exit_code)


class _Signing(threading.Thread):
    """What signs the records, made ready while the sandbox starts: its libraries take a while to load."""

    def __init__(self, record: Path, nonce: str, taken: tuple[Path, ...]) -> None:
        """Look at what was asked for, before any work is done. Raises UserError."""
        super().__init__(name="signing", daemon=True)
        from harness.cli.record_file import check_record  # noqa: PLC0415 - nobody else signs

        check_record(record, taken, nonce)
        self._record, self._nonce = record, nonce
        self._signing: Signing | None = None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Load it; a fault waits for whoever wants to sign."""
        try:
            from harness.attestation.keys import Keyring  # noqa: PLC0415 - as above
            from harness.cli.progress import say  # noqa: PLC0415

            ring = Keyring()
            self._signing, fresh = ring.or_new()
            if fresh:
                say(f"harness: made a key to sign records with, in {ring.folder} (`harness keys show`)")
            importlib.import_module("harness.ladder.verdict_record")
        except Exception as error:  # noqa: BLE001 - raised where it is wanted
            self._error = error

    def write(self, report: CheckReport, options: Options) -> None:
        """Write the records. Raises UserError where nothing can sign: the verdicts are told by then."""
        from harness.cli.progress import say  # noqa: PLC0415 - as above
        from harness.cli.record_file import write_records  # noqa: PLC0415
        from harness.ladder.verdict_record import seal_verdicts  # noqa: PLC0415

        self.join()
        if self._signing is None:
            raise self._error or RuntimeError("nothing signs")
        write_records(seal_verdicts(report, options, self._signing, self._nonce), self._record)
        if without := sum(not result.sha256 for result in report.results):
            of = f"{without} of {len(report.results)} candidates"
            say(f"harness: {of} were not read: no record in {self._record} is about them")


def _load_report() -> None:
    """Import what prints the report. A fault of it is told where the report is printed."""
    with contextlib.suppress(Exception):
        importlib.import_module("harness.report.text")


def _with_progress(paths: tuple[Path, ...], options: Options) -> CheckReport:
    """Check, with a progress bar where somebody watches."""
    if not sys.stderr.isatty() or os.environ.get("CI") or options.static:
        return check(paths, options, leaving=True)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from harness.core import text as sanitize  # noqa: PLC0415
    from harness.core.candidate import discover  # noqa: PLC0415
    from harness.report.terminal import Terminal  # noqa: PLC0415 - only where it is shown

    total = len(discover(paths, options.exclude).candidates)
    columns = (
        TextColumn("checking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False),  # a file name may look like markup
    )
    with Progress(*columns, console=Terminal(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=total, last="")

        def advance(job: Job, result: CheckResult) -> None:
            bar.update(task, advance=1, last=f"{sanitize.path(job.path.name[:40])}: {result.verdict.word}")

        return check(paths, options, advance, leaving=True)


def _write(report: CheckReport, destinations: list[tuple[Format, Path]]) -> None:
    """Machines get their files; people get the terminal, on stderr where stdout is taken."""
    from harness.core.files import STDOUT, save  # noqa: PLC0415
    from harness.report import write  # noqa: PLC0415
    from harness.report.github import append_step_summary  # noqa: PLC0415
    from harness.report.text import make_console, print_report  # noqa: PLC0415

    taken = any(path == STDOUT for _, path in destinations)
    print_report(report, make_console(sys.stderr if taken else sys.stdout))
    for format_, path in destinations:
        save(write(report, format_), path)
    try:
        append_step_summary(report, os.environ)
    except OSError as error:
        from harness.cli.progress import say  # noqa: PLC0415 - seldom

        say(f"harness: the step summary at GITHUB_STEP_SUMMARY could not be written ({error})")
