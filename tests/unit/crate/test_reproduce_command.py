"""`harness reproduce` of records: which verdicts are given again, and which report belongs to them. Screens alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from crate_samples import LADDER, TEXT, archive, run_crate

from harness.attestation.statement import PromotionStatement, RungResultStatement, VerdictStatement, read
from harness.checks.options import Options
from harness.checks.static import screen_result, screened_text
from harness.cli.reproduce import reproduce_command
from harness.core.candidate import Candidate
from harness.core.errors import UserError
from harness.core.profiles import load
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted
from harness.crate.parts import LADDERS
from harness.crate.read import RunCrate
from harness.crate.repeat import _report, by_rung, ladder_in, rung_differences
from harness.ladder.verdict_record import seal_verdicts, verdict_statement
from harness.report.json_report import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from harness.attestation.keys import Keyring

PROFILE = "2026.2"


class Desk:
    """A candidate, and records and reports of screening it."""

    def __init__(self, folder: Path, ring: Keyring) -> None:
        self.ring, self.folder = ring, folder
        self.candidate, self.records, self.report = folder / "loss.py", folder / "r.jsonl", folder / "r.json"
        self.candidate.write_bytes(TEXT)
        self.records.write_bytes(b"")

    def screened(self, seed: int = 0, **lies: Any) -> CheckReport:
        one = Candidate(str(self.candidate), TEXT, hashlib.sha256(TEXT).hexdigest())
        result = screen_result(screened_text(one, load(PROFILE), Options(seed=seed)))
        return CheckReport(PROFILE, seed, (replace(result, **lies),))

    def record(self, report: CheckReport) -> CheckReport:
        line = seal_verdicts(report, Options(seed=report.seed), self.ring.signing())
        self.records.write_bytes(self.records.read_bytes() + line)
        return report

    def again(self, *words: str) -> Result:
        return CliRunner().invoke(reproduce_command, [str(self.records), str(self.candidate), *words])

    def with_report(self, text: str) -> Result:
        self.report.write_text(text, "utf-8")
        return self.again("--report", str(self.report))


@pytest.fixture
def desk(tmp_path: Path, ring: Keyring) -> Desk:
    return Desk(tmp_path, ring)


def test_each_of_several_verdicts_is_given_again(desk: Desk) -> None:
    for seed in (0, 5):
        desk.record(desk.screened(seed))
    done = desk.again()
    assert (done.exit_code, done.output.count("the same again")) == (0, 2), done.output
    assert "seed 0" in done.output
    assert "seed 5" in done.output
    desk.records.write_bytes(b"")
    desk.record(desk.screened(0, output="it said more"))
    desk.record(desk.screened(5))
    done = desk.again()
    assert (done.exit_code, done.output.count("the same again,")) == (1, 1), done.output


def test_a_report_that_was_recorded_says_what_differs(desk: Desk) -> None:
    report = desk.record(desk.screened())
    assert desk.with_report(write_json(report)).exit_code == 0
    desk.records.write_bytes(b"")
    done = desk.with_report(write_json(desk.record(desk.screened(output="it said more"))))
    assert (done.exit_code, "outcome: output" in done.output) == (1, True), done.output


def test_a_report_that_was_not_recorded_is_told_and_nothing_is_called_the_same(desk: Desk) -> None:
    desk.record(desk.screened())
    for report, told in (
        (desk.screened(output="it said more"), "is not what was recorded"),
        (desk.screened(seed=7), "is not what was recorded"),
        (desk.screened(sha256="0" * 64), "says nothing of"),
    ):
        done = desk.with_report(write_json(report))
        assert (done.exit_code, told in " ".join(done.output.split()), "same" in done.output) == (1, True, False)


@pytest.mark.parametrize(
    "text",
    ["[]", "5", "{", '{"results":5}', '{"results":[1]}', '{"results":[{}]}', '{"results":[{"sha256":[]}]}', "[" * 9999],
)
def test_what_is_no_report_is_called_that(desk: Desk, text: str) -> None:
    desk.record(desk.screened())
    done = desk.with_report(text)
    assert isinstance(done.exception, UserError), done.output
    assert "cannot be read as a report" in str(done.exception)


def test_a_ladder_of_an_archive_is_written_over_nothing(tmp_path: Path, ring: Keyring) -> None:
    crate = run_crate(archive(tmp_path, ring))
    (name,) = [name for name in crate.files if name.startswith(f"{LADDERS}/")]
    own = crate.files[name].replace(LADDER.name.encode(), b"mine-1")
    crate = RunCrate({**{file: data for file, data in crate.files.items() if file != name}, "ladder/mine-1.toml": own})
    mine, outside = tmp_path / "mine", tmp_path / "outside"
    mine.mkdir()
    outside.write_text("dear", "utf-8")
    (mine / "mine-1.toml").symlink_to(outside)
    assert ladder_in(crate, mine).own == own
    assert ladder_in(crate, mine).digest == hashlib.sha256(own).hexdigest()
    assert (outside.read_text("utf-8"), (mine / "mine-1.toml").is_symlink()) == ("dear", True)
    with pytest.raises(UserError, match="nothing can be kept in"):
        ladder_in(crate, outside / "below")


def test_promotions_are_compared_by_what_they_rest_on(tmp_path: Path, ring: Keyring) -> None:
    then = by_rung(line for _, line in run_crate(archive(tmp_path, ring)).records)["screen"]
    result, decision, promotion = then
    assert (isinstance(result, RungResultStatement), isinstance(promotion, PromotionStatement)) == (True, True)
    said = promotion.model_dump(by_alias=True)
    said["predicate"]["evaluation"] = "9" * 64
    assert rung_differences(then, then) == []
    (one,) = rung_differences(then, [result, decision, read(said)])
    assert (one.layer, one.now) == ("code", "9" * 12)
    (one,) = rung_differences(then, [result, decision])
    assert (one.where, one.then, one.now) == ("records of a rung", "3", "2")


@pytest.mark.parametrize("text", [b"", b"[]", b"5", b'{"results": []}', b'{"results": [1]}', b"\xff"])
def test_a_report_in_an_archive_counts_where_its_record_is_of_it(text: bytes) -> None:
    one = CheckResult("mine.py", hashlib.sha256(TEXT).hexdigest(), "mine", Accepted(), {}, {}, {}, {})
    report = CheckReport(PROFILE, 0, (one,))
    then = read(verdict_statement(report, one, Options()))
    assert isinstance(then, VerdictStatement)
    name, whole = "documents/properties/report.json", write_json(report).encode()
    assert _report(RunCrate({name: whole}), "properties", [then])["sha256"] == one.sha256
    assert _report(RunCrate({name: text}), "properties", [then]) is None
    assert _report(RunCrate({name: whole.replace(b'"mine"', b'"another"')}), "properties", [then]) is None
    assert _report(RunCrate({}), "properties", [then]) is None
