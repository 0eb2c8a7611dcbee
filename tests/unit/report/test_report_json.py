"""The JSON report keeps to its published schema, and the schema to the models."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hostile_texts import HOSTILE
from report_samples import RAISES, hostile_report, report, result

from harness.cli.schema import schema_command
from harness.core.errors import InfrastructureError
from harness.core.verdict import Rejected
from harness.report import Format, write
from harness.report.json_report import pretty, read_json, report_schema, shipped_schema, write_json


def parsed(made) -> dict[str, Any]:
    def refuse(token):
        raise AssertionError(f"{token} is no JSON")

    return json.loads(write(made, Format.JSON), parse_constant=refuse)


def validate(document) -> None:
    jsonschema.Draft202012Validator(json.loads(shipped_schema())).validate(document)


def test_the_shipped_schema_is_what_the_models_generate():
    assert shipped_schema() == pretty(report_schema()) + "\n"
    jsonschema.Draft202012Validator.check_schema(report_schema())


def test_the_command_prints_the_schema():
    done = CliRunner().invoke(schema_command, ["report"])
    assert (done.exit_code, done.output) == (0, shipped_schema())
    assert CliRunner().invoke(schema_command, ["nothing"]).exit_code == 2


def test_a_report_of_every_verdict_keeps_to_the_schema():
    document = parsed(report())
    validate(document)
    assert document["schema"] == "harness.report/v1"
    assert document["exit_code"] == 3
    assert [r["verdict"] for r in document["results"]] == ["accepted", "rejected", "undecided"]
    assert document["results"][2]["reason"] == "The engine stopped answering."
    assert document["results"][0]["reason"] is None


def test_a_finding_is_told_in_full():
    (finding, _) = parsed(report())["results"][1]["findings"]
    assert finding == {
        "rule": "W202",
        "name": "raises",
        "severity": "error",
        "message": "it raised RuntimeError on a batch of 3 at beta 0.05",
        "fix": "Make the function work for the printed batch.",
        "counterexample": {"beta": 0.05, "policy_chosen_logps": [-12.5, "NaN"], "rho": [3.75, 1.0]},
        "location": {"line": 12, "column": 5},
        "detail": "RuntimeError: size mismatch",
    }


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_keeps_to_the_schema(text):
    validate(parsed(hostile_report(text)))
    assert write(hostile_report(text), Format.JSON).isascii()


def test_numbers_that_are_not_finite_become_words():
    finding = replace(RAISES, counterexample={"rho": [math.nan, math.inf, -math.inf, 1e-300]})
    made = result(Rejected((finding,)), facts={"slope_at_zero": math.nan}, timings={"total": math.inf})
    document = parsed(report(made))
    validate(document)
    assert document["results"][0]["findings"][0]["counterexample"]["rho"] == ["NaN", "Infinity", "-Infinity", 1e-300]
    assert document["results"][0]["facts"] == {"slope_at_zero": "NaN"}
    assert document["results"][0]["timings"] == {}


def test_numbers_and_nesting_that_no_reader_takes_are_put_in_words():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    finding = replace(
        RAISES, counterexample={"deep": deep, "large": 10**5000, "pairs": {str(n): n for n in range(999)}}
    )
    made = report(result(Rejected((finding,)), facts={"deep": deep}))
    validate(parsed(made))
    shown = parsed(made)["results"][0]["findings"][0]["counterexample"]
    assert shown["large"] == "an integer of 16610 bits"
    for format_ in Format:
        assert 100 < len(write(made, format_)) < 100_000


def test_timings_are_the_only_part_that_may_differ():
    one, two = (parsed(report(result(timings={"total": t}))) for t in (1.0, 2.0))
    assert one != two
    for document in (one, two):
        del document["results"][0]["timings"]
    assert one == two


def test_the_order_of_keys_does_not_depend_on_who_filled_the_mappings():
    forwards = {"a": 1, "b": 2}
    backwards = {"b": 2, "a": 1}
    texts = {write(report(result(facts=f, environment=f)), Format.JSON) for f in (forwards, backwards)}
    assert len(texts) == 1


@pytest.mark.parametrize("value", [[], {}, [1, [2, {"a": []}], "x\n"], {"a": {"b": [1.5, None, True]}}, 0.1, "é"])
def test_the_layout_changes_no_value(value):
    assert json.loads(pretty(value)) == value


def test_a_report_is_read_back_as_it_was_written():
    text = write_json(report())
    assert write_json(read_json(text.encode())) == text


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_are_read_back_as_they_stand_in_the_report(kind):
    text = write_json(hostile_report(HOSTILE[kind]))
    for told, one in zip(json.loads(text)["results"], read_json(text.encode()).results, strict=True):
        assert [told[key] for key in ("path", "name", "output", "facts")] == [one.path, one.name, one.output, one.facts]
        assert told["verdict"] == one.verdict.word
        for finding, back in zip(told["findings"], one.verdict.findings, strict=True):
            keys = ("rule", "message", "fix", "counterexample", "detail")
            assert [finding[key] for key in keys] == [getattr(back, key) for key in keys]


@pytest.mark.parametrize("spoilt", [b"", b"[]", b"\xff", "unknown", "rejected"])
def test_what_is_no_report_is_a_fault_of_ours(spoilt):
    if isinstance(spoilt, str):
        document = json.loads(write_json(report()))
        document["results"][0]["verdict"] = spoilt  # no verdict at all, or a rejection without a reason
        spoilt = json.dumps(document).encode()
    with pytest.raises(InfrastructureError, match="no report"):
        read_json(spoilt)
