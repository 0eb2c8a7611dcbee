"""What only passed the screen says so in every format, and turns no gate green unless somebody asked for that."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from click.testing import CliRunner
from report_samples import report, result

from harness.api import check, submit
from harness.checks import run as run_module
from harness.checks.options import Options
from harness.cli.check import check_command
from harness.core.candidate import discover, unmatched
from harness.core.errors import InfrastructureError, UserError
from harness.core.result import CheckReport
from harness.core.verdict import Accepted, Finding, Rejected, Screened, Severity, Undecided
from harness.ladder.climb import _of_verdict
from harness.ledger import Ledger
from harness.report import Format, write
from harness.report.github import append_step_summary
from harness.report.json_report import read_json, shipped_schema, write_json

FLIPPED = (
    "import torch.nn.functional as F\n\n\n"
    "def flipped(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):\n"
    "    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)\n"
    "    return -F.logsigmoid(-beta * rho)\n"
)
SCREENED = result(Screened(), path="flipped.py", name="flipped", facts={}, properties={}, timings={"screen": 0.1})
BROKEN = Finding("S112", "forbidden-import", Severity.ERROR, "x")
WORDS = re.compile(r"accepted|passed", re.IGNORECASE)


@pytest.fixture
def flipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flipped.py").write_text(FLIPPED)
    return tmp_path / "flipped.py"


def invoke(*words):
    done = CliRunner().invoke(check_command, ["--static", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("format_", Format)
def test_no_format_calls_it_accepted(format_, flipped, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(flipped.parent / "summary.md"))
    code, _, _ = invoke(flipped.name, "--report", f"{format_.value}={flipped.parent / 'report'}")
    assert code == 3
    for name in ("report", "summary.md"):
        text = re.sub("<style>.*</style>", "", (flipped.parent / name).read_text(), flags=re.DOTALL)
        assert not WORDS.search(text), name
        assert "creened" in text
        assert "not judged" in text or format_ is Format.JSON


def test_neither_does_the_terminal(flipped):
    code, out, err = invoke(flipped.name)
    assert (code, err) == (3, "")
    assert "~ SCREENED  flipped.py" in out
    assert "Screened, not judged: no property was checked, and nothing is known of what it answers." in out
    assert out.endswith("1 screened (profile 2026.2, seed 0)\n")
    assert not WORDS.search(out)


def test_somebody_may_ask_for_a_gate_of_the_screen_alone(flipped):
    assert invoke("--screened-ok", flipped.name)[0] == 0
    (flipped.parent / "bad.py").write_text("import os\n")
    assert invoke("--screened-ok", flipped.parent)[0] == 1
    done = CliRunner().invoke(check_command, ["--screened-ok", "flipped.py"])
    assert isinstance(done.exception, UserError)


def test_the_interface_for_programs_says_the_same(flipped):
    found = check(flipped, Options(static=True))
    assert [r.verdict for r in found.results] == [Screened()]
    assert found.exit_code == 3
    assert check(flipped, Options(static=True, screened_ok=True)).exit_code == 0


@pytest.mark.parametrize(
    ("verdicts", "asked", "code"),
    [
        ((), False, 3),
        ((), True, 3),
        ((Accepted(),), False, 0),
        ((Accepted(), Screened()), False, 3),
        ((Accepted(), Screened()), True, 0),
        ((Screened(), Rejected((BROKEN,))), False, 1),
        ((Screened(), Rejected((BROKEN,))), True, 1),
        ((Screened(), Rejected((BROKEN,)), Undecided("x")), True, 3),
    ],
)
def test_exit_codes(verdicts, asked, code):
    results = tuple(result(verdict) for verdict in verdicts)
    assert CheckReport("2026.2", 0, results, screened_ok=asked).exit_code == code


@pytest.mark.parametrize("asked", [False, True])
def test_it_comes_back_from_json(asked):
    whole = CheckReport("2026.2", 0, (SCREENED,), ("a.py",), screened_ok=asked)
    text = write_json(whole)
    jsonschema.validate(json.loads(text), json.loads(shipped_schema()))
    again = read_json(text.encode())
    assert (again.exit_code, again.excluded, again.results[0].verdict) == (whole.exit_code, ("a.py",), Screened())


def test_a_report_of_before_is_still_read():
    document = json.loads(write_json(report()))
    del document["excluded"]
    for each in document["results"]:
        del each["not_run"]
    again = read_json(json.dumps(document).encode())
    assert (again.excluded, again.results[0].not_run) == ((), {})


def test_code_scanning_sees_no_clean_run():
    (run,) = json.loads(write(CheckReport("2026.2", 0, (SCREENED,)), Format.SARIF))["runs"]
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 3)
    (notice,) = invocation["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("Screened, not judged")
    assert run["properties"] == {"judged": 0, "notJudged": 1}
    asked = CheckReport("2026.2", 0, (SCREENED,), screened_ok=True)
    (run,) = json.loads(write(asked, Format.SARIF))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is True
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1


def test_a_dashboard_sees_a_skipped_case():
    mild = Finding("S120", "x", Severity.WARNING, "mild")
    for one in (SCREENED, result(Screened((mild,)), facts={}, properties={})):
        top = ET.fromstring(write(CheckReport("2026.2", 0, (one,)), Format.JUNIT))  # noqa: S314 - our own
        (case,) = [c for c in top.iter("testcase") if c.get("name") == "verdict"]
        skipped = case.find("skipped")
        assert skipped is not None
        assert "not judged" in skipped.get("message", "")
        assert top.get("skipped") == "1"


def test_a_dashboard_sees_times_and_why_a_rule_was_not_run():
    one = result(not_run={"W203": "no GPU on this host"})
    top = ET.fromstring(write(CheckReport("2026.2", 0, (one, one)), Format.JUNIT))  # noqa: S314 - our own
    assert top.get("time") == "2.500000"
    suite = top[0]
    assert suite.get("time") == "1.250000"
    times = {case.get("name"): case.get("time") for case in suite.iter("testcase")}
    assert times == {"S105 syntax-error": None, "W202 raises": "0.500000", "W203 time-limit": None}
    (skipped,) = suite.iter("skipped")
    assert skipped.get("message") == "not run: no GPU on this host"
    for format_ in (Format.TEXT, Format.HTML, Format.MARKDOWN):
        text = write(CheckReport("2026.2", 0, (one,)), format_)
        assert "Not run: W203" in re.sub(r"[\\`]", "", text)
        assert "no GPU on this host" in text


@pytest.mark.parametrize("format_", [Format.SARIF, Format.GITHUB, Format.GITLAB])
def test_a_finding_about_the_answers_stands_at_its_line(format_):
    from harness.core.verdict import Location

    finding = Finding("P308", "direction", Severity.ERROR, "x", location=Location(4))
    text = write(CheckReport("2026.2", 0, (result(Rejected((finding,))),)), format_)
    places = {
        Format.SARIF: lambda: json.loads(text)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"],
        Format.GITHUB: lambda: {"startLine": int(re.findall(r"line=(\d+)", text)[0])},
        Format.GITLAB: lambda: {"startLine": json.loads(text)[0]["location"]["lines"]["begin"]},
    }
    assert places[format_]() == {"startLine": 4}


def test_a_ladder_goes_on_from_its_screen_and_from_nowhere_else():
    assert _of_verdict(Screened(), judged=False).decision == "promote"
    with pytest.raises(InfrastructureError):
        _of_verdict(Screened())
    with pytest.raises(InfrastructureError):
        _of_verdict(Undecided("P302 (not collected)"))


def test_a_result_that_got_lost_is_undecided(flipped, monkeypatch):
    (flipped.parent / "other.py").write_text(FLIPPED)
    monkeypatch.setattr(run_module, "_dispatch", lambda *_, **__: None)
    found = check(flipped.parent)
    assert [r.verdict.word for r in found.results] == ["undecided"] * 2
    assert found.exit_code == 3


def test_nothing_to_check_is_no_success(tmp_path):
    with pytest.raises(UserError, match="nothing to check"):
        check([])
    with pytest.raises(UserError, match="no candidate"):
        check(tmp_path, Options(static=True))


@pytest.fixture
def folder(tmp_path):
    for name in ("a.py", "b.json", "old/a.py", "old/deep/c.py", "new/draft_a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FLIPPED)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["old"], {"a.py", "b.json", "new/draft_a.py"}),
        (["old/"], {"a.py", "b.json", "new/draft_a.py"}),
        (["./old/*.py"], {"a.py", "b.json", "new/draft_a.py"}),
        (["old/deep"], {"a.py", "b.json", "old/a.py", "new/draft_a.py"}),
        (["draft_*", "*.json"], {"a.py", "old/a.py", "old/deep/c.py"}),
        (["a.py"], {"b.json", "old/deep/c.py", "new/draft_a.py"}),
        (["nothing"], {"a.py", "b.json", "old/a.py", "old/deep/c.py", "new/draft_a.py"}),
    ],
)
def test_patterns_leave_files_out_of_folders(patterns, left, folder):
    found = discover([folder], patterns)
    assert {str(file.relative_to(folder)) for file in found.candidates} == left
    assert sorted([*found.candidates, *found.excluded]) == discover([folder]).candidates
    assert unmatched(found, [folder], [*patterns, "zzz*"]) == ([] if found.excluded else patterns) + ["zzz*"]


def test_a_file_that_is_named_itself_is_never_left_out(folder):
    assert discover([folder / "a.py", folder], ["a.py"]).candidates[0] == folder / "a.py"
    assert folder / "a.py" not in discover([folder / "a.py", folder], ["a.py"]).excluded


def test_what_is_left_out_is_said(folder):
    code, out, err = invoke(folder, "--exclude", "old", "--exclude", "zzz", "--screened-ok")
    assert code == 0
    assert "3 screened, 2 excluded" in out
    assert "excluded: " in err
    assert "old/deep/c.py" in err
    assert "--exclude 'zzz' fits no candidate" in err
    done = CliRunner().invoke(check_command, ["--static", str(folder), "--exclude", "*"])
    assert isinstance(done.exception, UserError)


def test_what_is_left_out_is_not_submitted(folder, tmp_path):
    with Ledger(tmp_path / "ledger") as ledger:
        assert len(submit([folder], ledger=ledger, exclude=["old", "*.json"])) == 2


def test_the_step_summary_says_it(tmp_path):
    path = append_step_summary(CheckReport("2026.2", 0, (SCREENED,)), {"GITHUB_STEP_SUMMARY": str(tmp_path / "s.md")})
    assert path is not None
    assert "**Screened, not judged" in path.read_text()
