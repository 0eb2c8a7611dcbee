"""The SARIF report: the structure that SARIF 2.1.0 asks for, held by a strict schema of the parts in use."""

from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hostile_texts import HOSTILE
from report_samples import FLOOD, RAISES, hostile_report, report, result
from sarif_schema import LOG

from harness.core.verdict import Accepted, Finding, Location, Rejected, Severity
from harness.report import Format, sarif, write


def run_of(made, root=None) -> dict[str, Any]:
    log = json.loads(write(made, Format.SARIF, root=root))
    jsonschema.Draft202012Validator(LOG).validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    return run


def test_a_finding_is_a_result_of_its_rule():
    run = run_of(report())
    raises, flood = run["results"]
    assert (raises["ruleId"], raises["level"]) == ("W202", "error")
    assert (flood["ruleId"], flood["level"]) == ("W207", "warning")
    assert raises["message"]["text"] == (
        "it raised RuntimeError on a batch of 3 at beta 0.05 Fix: Make the function work for the printed batch. "
        'Counterexample: beta = 0.05; policy_chosen_logps = [-12.5, float("nan")]; rho = [3.75, 1.0]'
    )
    assert raises["locations"][0]["physicalLocation"]["region"] == {"startLine": 12, "startColumn": 5}


def test_rules_carry_their_help():
    (rule,) = (r for r in run_of(report())["tool"]["driver"]["rules"] if r["id"] == "W202")
    assert rule["name"] == "raises"
    assert "To fix it: " in rule["help"]["text"]
    assert "```python" in rule["help"]["markdown"]


def test_a_rule_unknown_to_this_version_is_still_described():
    finding = Finding("W999", "from-later", Severity.ERROR, "m")
    rules = run_of(report(result(Rejected((finding,)))))["tool"]["driver"]["rules"]
    assert {"id": "W999", "name": "from-later"}.items() <= rules[-1].items()


def test_a_failure_of_ours_is_no_result():
    run = run_of(report())
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    (notice,) = invocation["toolExecutionNotifications"]
    assert notice["message"]["text"] == ("Undecided: The engine stopped answering. Start it: systemctl start docker.")
    assert not any("late" in json.dumps(r) for r in run["results"])


def test_a_rejection_is_a_successful_run():
    (invocation,) = run_of(report(result(Rejected((RAISES,)))))["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)


def test_paths_are_relative_to_the_repository(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")

    def uri(path):
        run = run_of(report(result(Rejected((RAISES,)), path=str(path))))
        return run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]

    assert uri("a b.py") == {"uri": "sub/a%20b.py", "uriBaseId": "%SRCROOT%"}
    assert uri(tmp_path / "c.py") == {"uri": "c.py", "uriBaseId": "%SRCROOT%"}
    assert uri("../d#?.py") == {"uri": "d%23%3F.py", "uriBaseId": "%SRCROOT%"}
    assert uri("/elsewhere/e.py") == {"uri": "file:///elsewhere/e.py"}
    assert uri("\udcff.py") == {"uri": "sub/%FF.py", "uriBaseId": "%SRCROOT%"}


def test_fingerprints_do_not_move_with_the_lines_and_are_distinct():
    def prints(*findings):
        run = run_of(report(result(Rejected(findings))))
        return [r["partialFingerprints"]["harnessFinding/v1"] for r in run["results"]]

    moved = replace(RAISES, location=Location(99), message="other numbers")
    assert prints(RAISES, FLOOD) == prints(moved, FLOOD)
    assert len(set(prints(RAISES, RAISES, FLOOD))) == 3


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_keeps_the_structure(text):
    run = run_of(hostile_report(text))
    assert len(run["results"]) == 3
    for each in run["results"]:
        assert not re.search(r"\]\(", each["message"]["text"])
        assert len(each["message"]["text"]) < 5000


def test_results_over_the_services_limit_are_counted(monkeypatch):
    monkeypatch.setattr(sarif, "RESULT_LIMIT", 3)
    warned = result(Accepted((FLOOD,) * 3))
    run = run_of(report(warned, result(Rejected((RAISES, RAISES)))))
    assert [r["level"] for r in run["results"]] == ["error", "error", "warning"]
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice == {"level": "warning", "message": {"text": "2 further findings were left out."}}
    assert run["invocations"][0]["executionSuccessful"] is True


def test_a_report_over_the_services_size_is_cut(monkeypatch):
    monkeypatch.setattr(sarif, "GZIP_LIMIT", 20_000)
    noise = random.Random(0)  # noqa: S311 - text that does not compress
    findings = tuple(replace(RAISES, message=f"{noise.getrandbits(3000):x}") for _ in range(100))
    text = write(report(result(Rejected(findings))), Format.SARIF)
    assert len(gzip.compress(text.encode())) <= 20_000
    assert len(json.loads(text)["runs"][0]["results"]) >= 25
