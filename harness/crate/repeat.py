"""Do again what an archive tells of: the same candidate up the same ladder, in a ledger of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.attestation.statement import (
    GateDecisionStatement,
    NoVerdictStatement,
    PromotionStatement,
    RungResultStatement,
    VerdictStatement,
)
from harness.core.candidate import Candidate
from harness.core.errors import InfrastructureError, UserError
from harness.core.files import save_bytes
from harness.crate.check_again import without_place
from harness.crate.compare import Difference, differences
from harness.crate.parts import said_in
from harness.crate.read import REPORTS
from harness.crate.write import DOCUMENTS
from harness.images.build import build
from harness.images.inputs import variant_for
from harness.ladder.ladder import digest_of, load, names, parse
from harness.ladder.rungs import JUDGED, WITH_TRAINER
from harness.ladder.worker import WorkerConfig, WorkerSlot, work
from harness.ledger import Ledger
from harness.ledger.records import FINAL
from harness.report.json_report import compared_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.attestation.statement import Statement
    from harness.crate.read import Crate, RunCrate
    from harness.ladder.context import Progress
    from harness.ladder.plan import Ladder


#: What a judge's rung leaves of what was asked (`harness.ladder.judge_rung`): rung, whose answers, and the part.
_CALLS = re.compile(r"([^/]+)/calls-\d{1,9}-([a-z]+)-(\d{1,6})\.jsonl")


@dataclass(frozen=True)
class Repeated:
    """What was done again: the rungs that were compared, in order, and where they differ, from the lowest layer up."""

    rungs: tuple[str, ...]
    differences: tuple[Difference, ...]


def repeat(
    crate: RunCrate,
    folder: Path,
    *,
    rung: str | None = None,
    gpu: str = "none",
    data_dir: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
    watch: Callable[[Progress], None] = lambda _: None,
) -> Repeated:
    """Climb the archive's ladder with its candidate, up to a rung (its name, or its number from 1) or as far as it got.

    `folder` is for the ledger of it. Raises UserError for a rung that the archive has no record of,
    InfrastructureError where nothing could be done.
    """
    then = by_rung(line for _, line in crate.records)
    ladder = ladder_in(crate, folder)
    last = _last(ladder, then, rung)
    name, text = crate.candidate
    with Ledger(folder) as ledger:
        entry = (Candidate(Path(name).name, text, hashlib.sha256(text).hexdigest()), Path(name).stem)
        if ladder.own:
            ledger.keep(ladder.own)
        submitted = ledger.submit(
            [entry], profile=ladder.name, profile_digest=ladder.digest, needs=ladder.rungs[0].needs, again=True
        )
        number = submitted[0].run

        def done() -> bool:
            run = ledger.run(number)
            return stopping() or run.state in FINAL or run.rung > last

        source, replies = ladder.source or ladder.name, recorded_replies(crate, ladder, folder)
        orders = WorkerConfig(folder, source, drain=True, only=number, data_dir=data_dir, replies=replies)
        needs = tuple(sorted({plan.needs for plan in ladder.rungs}))
        work(WorkerSlot("again/run", needs=needs, gpu=gpu), orders, stopping=done, watch=lambda _, at: watch(at))
        if stopping():
            raise KeyboardInterrupt
        now = by_rung(one.line for one in ledger.sealed(number))
        reports = {
            each.rung: without_place(json.loads(ledger.document(each.sha256))["results"][0])
            for each in ledger.attachments(number)
            if each.name in REPORTS
        }
        why = ledger.run(number).reason
    wanted = [plan.name for plan in ladder.rungs[: last + 1] if plan.name in then]
    if missing := next((name for name in wanted if name not in now), ""):
        remedy = "see to that, and try once more"
        raise InfrastructureError(f"the rung {missing} was not done again: {why}", remedy=remedy)
    found: list[Difference] = []
    for each in wanted:
        found += rung_differences(then[each], now[each], (_report(crate, each, then[each]), reports.get(each)))
    return Repeated(tuple(wanted), from_below(found))


def recorded_replies(crate: RunCrate, ladder: Ladder, folder: Path) -> Path | None:
    """A new folder with what judges replied, by rung and by whose answers it was about; None where no rung judges.

    Nobody is asked anything, and paid for it, when something is done again.
    """
    rungs = [plan.name for plan in ladder.rungs if plan.kind in JUDGED]
    if not rungs:
        return None
    try:
        place = Path(tempfile.mkdtemp(prefix="replies-", dir=folder))
    except OSError as error:
        raise UserError(f"nothing can be kept in {folder}: {error.strerror}", remedy="give another folder") from error
    calls: dict[Path, dict[int, bytes]] = {}
    for name, data in crate.files.items():
        if found := _CALLS.fullmatch(name.removeprefix(f"{DOCUMENTS}/")):
            rung, whose, part = found.groups()
            if rung in rungs:
                calls.setdefault(place / rung / f"{whose}.jsonl", {})[int(part)] = data
    for path, parts in calls.items():
        path.parent.mkdir(exist_ok=True)
        save_bytes(b"".join(data for _, data in sorted(parts.items())), path)
    return place


def rung_differences(
    then: Sequence[Statement], now: Sequence[Statement], reports: tuple[Any, Any] = (None, None)
) -> list[Difference]:
    """Where results, decisions and promotions of a rung differ; `reports` as `differences` has them."""
    out = []
    if len(then) != len(now):
        out.append(Difference("outcome", "records of a rung", str(len(then)), str(len(now))))
    for before, after in zip(then, now, strict=False):
        out += differences(before, after, reports)
        if isinstance(before, GateDecisionStatement) and isinstance(after, GateDecisionStatement):
            out += _decisions(before, after)
        if isinstance(before, PromotionStatement) and isinstance(after, PromotionStatement):
            out += _evaluations(before, after)
    return out


def from_below(found: Sequence[Difference]) -> tuple[Difference, ...]:
    """Each difference once, from the lowest layer up."""
    order = ("candidate", "code", "image", "questions", "data", "hardware", "outcome")
    return tuple(sorted(dict.fromkeys(found), key=lambda one: order.index(one.layer)))


def ensure_images(crate: Crate, *, gpu: str, say: Callable[[str], None]) -> None:
    """Have the images that the archive's ladder needs, built from this checkout's locks where they are not there.

    Equal locks and an equal base give equal images; that they are the archive's is compared afterwards.
    """
    device = "cpu" if gpu == "none" else "cuda"
    ladder = parse(crate.ladder[1])
    wanted = ["sandbox", *(["trainer"] if any(plan.kind in WITH_TRAINER for plan in ladder.rungs) else [])]
    for purpose in wanted:
        build(variant_for(purpose, device), say=say)


def by_rung(lines: Iterable[bytes]) -> dict[str, list[Statement]]:
    """The results, decisions and promotions of each rung, by its name."""
    out: dict[str, list[Statement]] = {}
    for line in lines:
        one = said_in(line)
        if isinstance(one, VerdictStatement | NoVerdictStatement):
            out.setdefault(str(one.predicate.annotations("circumstances").get("rung")), []).append(one)
        elif isinstance(one, RungResultStatement | GateDecisionStatement | PromotionStatement):
            out.setdefault(one.predicate.rung.name, []).append(one)
    return out


def ladder_in(crate: Crate, folder: Path) -> Ladder:
    """An archive's ladder: the package's where that is the same, else the file that lies in the archive."""
    name, data = crate.ladder
    stem = Path(name).stem
    if stem in names() and digest_of(stem) == hashlib.sha256(data).hexdigest():
        return load(stem)
    return load(str(own_file(folder, f"{stem}.toml", data)))


def own_file(folder: Path, name: str, data: bytes) -> Path:
    """Keep a file of an archive in a new folder below `folder`, which may be anybody's: nothing there is written over.

    Raises UserError, and InfrastructureError where the disk is full or broken.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix="of-the-archive-", dir=folder)) / name
    except OSError as error:
        raise UserError(f"nothing can be kept in {folder}: {error.strerror}", remedy="give another folder") from error
    save_bytes(data, path)
    return path


def _last(ladder: Ladder, then: dict[str, list[Statement]], rung: str | None) -> int:
    """The number, from 0, of the last rung that is done again."""
    known = [plan.name for plan in ladder.rungs if plan.name in then]
    if not known:
        raise UserError("the archive has no record of any rung of its ladder")
    if rung is None:
        rung = known[-1]
    with contextlib.suppress(ValueError, IndexError):
        rung = ladder.rungs[int(rung) - 1].name if int(rung) > 0 else rung
    if rung not in known:
        raise UserError(f"the archive has no record of a rung {rung}", remedy=f"it has: {', '.join(known)}")
    return next(number for number, plan in enumerate(ladder.rungs) if plan.name == rung)


def _report(crate: RunCrate, rung: str, then: Sequence[Statement]) -> Any:
    """The result in a rung's report without what is not compared; None unless it is what the rung's records are of."""
    known = {one.predicate.digest("report") for one in then if isinstance(one, VerdictStatement | NoVerdictStatement)}
    for name in REPORTS:
        with contextlib.suppress(KeyError, ValueError):
            for digest, result in compared_results(crate.files[f"{DOCUMENTS}/{rung}/{name}"]):
                if digest in known:
                    return without_place(result)
    return None


def _evaluations(then: PromotionStatement, now: PromotionStatement) -> Sequence[Difference]:
    before, after = then.predicate.evaluation, now.predicate.evaluation
    where = f"{then.predicate.rung.name}, what its outcome rests on"
    return () if before == after else (Difference("code", where, before[:12], after[:12]),)


def _decisions(then: GateDecisionStatement, now: GateDecisionStatement) -> Sequence[Difference]:
    before, after = then.predicate, now.predicate
    if (before.decision, before.reason, before.detail) == (after.decision, after.reason, after.detail):
        return ()
    was, became = (f"{one.decision}: {one.reason}"[:200] for one in (before, after))
    return (Difference("outcome", f"{before.rung.name}, what its gate says", was, became),)
