"""What the examination looks like: for people, for programs, in the documents; and what it comes to."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from harness import doctor
from harness.cli import cli
from harness.doctor import CHECKS, Examination, Result, report
from harness.doctor.model import Check, Outcome
from harness.report.text import make_console

ROOT = Path(__file__).resolve().parents[3]
CHECK = Check("D199", "some-check", "Something holds.", "do something about it")
HOSTILE = "\x1b]8;;http://example.org\x07here\x1b]8;;\x07 [red]x[/red] \u202egnp.exe\x1b[2J\n::error::forged"


def examination(*outcomes: Outcome, strict: bool = False, **about: str) -> Examination:
    return Examination(outcomes, about, strict, 1.5)


def text(found: Examination) -> str:
    stream = io.StringIO()
    report.print_text(found, make_console(stream, {}))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("outcomes", "strict", "code"),
    [
        ((CHECK.ok(""),), False, 0),
        ((CHECK.ok(""), CHECK.not_applicable("")), True, 0),
        ((CHECK.ok(""), CHECK.warning("")), False, 0),
        ((CHECK.ok(""), CHECK.warning("")), True, 3),
        ((CHECK.ok(""), CHECK.failed("")), False, 3),
        ((CHECK.failed(""), CHECK.warning("")), True, 3),
    ],
)
def test_what_it_comes_to(outcomes: tuple[Outcome, ...], code: int, *, strict: bool) -> None:
    found = examination(*outcomes, strict=strict)
    assert found.exit_code == code
    assert found.trusted is (code == 0)
    said = text(found)
    assert ("This host isolates (" in said) == (code == 0)
    assert json.loads(report.write_json(found))["exit_code"] == code


def test_the_document_is_as_its_schema_says() -> None:
    found = examination(CHECK.ok("seen"), CHECK.warning("weak", "mend it"), engine="Docker 28")
    document = json.loads(report.write_json(found))
    jsonschema.validate(document, report.schema())
    assert [c["remedy"] for c in document["checks"]] == [None, "mend it"]
    assert document["about"] == {"engine": "Docker 28"}
    shown = CliRunner().invoke(cli, ["schema", "doctor"])
    assert json.loads(shown.stdout) == json.loads(json.dumps(report.schema()))


def test_what_an_engine_says_is_text_and_nothing_else() -> None:
    found = examination(CHECK.failed(HOSTILE, HOSTILE), engine=HOSTILE)
    for written in (text(found), report.write_json(found)):
        assert "\x1b" not in written
        assert "\u202e" not in written
        assert "\x07" not in written
    assert "[red]x[/red]" in text(found)
    assert "\n::error::" not in text(found)


def test_each_thing_to_do_is_said() -> None:
    said = text(examination(CHECK.ok("well"), CHECK.warning("weak"), CHECK.failed("broken", "mend it")))
    assert said.count("D199: ") == 2
    assert "D199: do something about it" in said
    assert "D199: mend it" in said


def test_the_page_is_the_generated_one() -> None:
    result = CliRunner().invoke(cli, ["doctor", "--markdown"])
    assert result.exit_code == 0
    assert (ROOT / "docs" / "doctor.md").read_text("utf-8") == result.stdout


def test_ids_are_unique_and_in_order_and_every_check_has_its_remedy() -> None:
    ids = [check.id for check in CHECKS]
    assert ids == sorted(set(ids))
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert re.fullmatch(r"D[1-4][0-9]{2}", check.id)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", check.name)
        assert check.asks.endswith(".")
        assert check.remedy
        assert not check.remedy.endswith(".")


def test_an_examination_that_stops_early_names_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.core.errors import EngineUnavailableError
    from harness.doctor import run

    def silent() -> Any:
        raise EngineUnavailableError("no container engine answers", remedy="start it")

    monkeypatch.setattr(run, "Engine", silent)
    found = doctor.examine(doctor.Wishes(), lambda _: None)
    assert tuple(o.check for o in found.outcomes) == CHECKS
    assert found.exit_code == 3
    assert found.outcomes[0].result is Result.FAILED
    assert found.outcomes[0].remedy == "start it"
    assert {o.result for o in found.outcomes[1:]} == {Result.NOT_APPLICABLE}
