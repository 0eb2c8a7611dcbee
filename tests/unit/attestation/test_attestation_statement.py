"""Statements: each kind as its form has it, by in-toto's own library, by the schema that ships, and by nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from google.protobuf import json_format
from hostile_texts import HOSTILE
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as InToto
from record_samples import CANDIDATE, KINDS, Made, every_kind, ring_in, statement_in

from harness.attestation import times
from harness.attestation.envelope import AlteredError, opened
from harness.attestation.statement import (
    GATE_DECISION,
    TEST_RESULT,
    NoStatementError,
    made_at,
    nonce_of,
    read,
    schema,
    shipped_schema,
    statement,
)
from harness.cli.schema import schema_command
from harness.report.json_report import pretty


@pytest.fixture(scope="module")
def statements(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    made = Made(ring_in(tmp_path_factory.mktemp("ring") / "keys").signing())
    return {name: statement_in(line) for name, line in every_kind(made).items()}


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(shipped_schema()))


def test_the_shipped_schema_is_what_the_models_generate() -> None:
    assert shipped_schema() == pretty(schema()) + "\n"
    jsonschema.Draft202012Validator.check_schema(schema())
    done = CliRunner().invoke(schema_command, ["record"])
    assert (done.exit_code, done.output) == (0, shipped_schema())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_by_ours_by_in_totos_and_by_the_schema(kind: str, statements: dict[str, Any]) -> None:
    document = statements[kind]
    known = read(document)
    assert known.headline
    assert made_at(known) <= times.now()
    assert nonce_of(known) == ""
    validator().validate(document)
    whole = json_format.ParseDict(document, statement_pb2.Statement())
    theirs = InToto.copy_from_pb(whole)
    theirs.validate()
    assert theirs.pb.predicate_type == document["predicateType"]
    assert theirs.pb.subject[0].digest["sha256"] == CANDIDATE
    assert json_format.MessageToDict(whole) == document


def test_a_verdict_is_in_totos_test_result(statements: dict[str, Any]) -> None:
    said = json_format.ParseDict(statements["verdict"]["predicate"], test_result_pb2.TestResult())
    assert said.result == "PASSED"
    assert list(said.passed_tests) == ["P301"]
    assert [part.name for part in said.configuration][-1] == "circumstances"


def _set(place: str, value: Any) -> Any:
    def change(document: Any) -> None:
        *way, last = [int(step) if step in {"0", "7"} and "seeds" not in place else step for step in place.split("/")]
        for step in way:
            document = document[step]
        document[last] = value

    return change


_OF_ALL = {
    "another type": _set("_type", "https://in-toto.io/Statement/v0.1"),
    "no type": lambda document: document.pop("_type"),
    "another kind": _set("predicateType", "urn:harness:other:v1"),
    "no subject": _set("subject", []),
    "a subject without a digest": _set("subject/0/digest", {}),
    "a digest in capitals": _set("subject/0/digest/sha256", "AB" * 32),
    "a digest that is short": _set("subject/0/digest/sha256", "ab" * 31),
    "a digest with an end": _set("subject/0/digest/sha256", "ab" * 32 + "\n"),
    "another digest": _set("subject/0/digest/sha1", "ab" * 20),
    "a name that is a number": _set("subject/0/name", 1),
    "another field": _set("more", 1),
    "another field of the predicate": _set("predicate/more", 1),
    "no predicate": lambda document: document.pop("predicate"),
    "a predicate that is a list": _set("predicate", []),
}
_OF_ONE = {
    "verdict": {
        "another result": _set("predicate/result", "PASS"),
        "a result in small letters": _set("predicate/result", "passed"),
        "tests that are a text": _set("predicate/passedTests", "P301"),
        "another order of the parts": lambda document: document["predicate"]["configuration"].reverse(),
        "a part twice": lambda document: document["predicate"]["configuration"].append(
            document["predicate"]["configuration"][0]
        ),
        "a part of another name": _set("predicate/configuration/0/name", "program"),
        "a part with a digest that is none": _set("predicate/configuration/0/digest", {"sha256": "x"}),
        "no time": lambda document: document["predicate"]["configuration"][-1]["annotations"].pop("time"),
        "no nonce": lambda document: document["predicate"]["configuration"][-1]["annotations"].pop("nonce"),
        "a time of another form": _set("predicate/configuration/7/annotations/time", "2026-01-01"),
        "a nonce that is a number": _set("predicate/configuration/7/annotations/nonce", 1),
        "no circumstances": lambda document: document["predicate"]["configuration"][-1].pop("annotations"),
    },
    "no verdict": {"a verdict": _set("predicate/verdict", "accepted"), "no reason": _set("predicate/reason", None)},
    "rung result": {
        "a rung below the first": _set("predicate/rung/position", -1),
        "a position that is a text": _set("predicate/rung/position", "0"),
        "a ladder without a digest": _set("predicate/rung/ladder", ""),
        "a metric that is a list": _set("predicate/seeds/0/loss", []),
        "a document without a digest": _set("predicate/documents/metrics.json", ""),
    },
    "gate decision": {
        "another decision": _set("predicate/decision", "maybe"),
        "no time": _set("predicate/time", ""),
        "a result without a digest": _set("predicate/result", ""),
        "a promotion below without a digest": _set("predicate/previous", "x"),
    },
    "promotion": {
        "no evaluation": _set("predicate/evaluation", ""),
        "no decision": _set("predicate/decision", ""),
        "a kind of rung that is a number": _set("predicate/rung/kind", 1),
    },
    "leaderboard": {
        "no places": _set("predicate/places", []),
        "a rank of none": _set("predicate/places/0/rank", 0),
        "a mean that is a word": _set("predicate/places/0/mean", "good"),
    },
    "ledger head": {"the event before the first": _set("predicate/event", 0)},
    "archive": {"a run that is a text": _set("predicate/run", "1"), "no ladder": _set("predicate/ladder", "")},
    "discovery": {
        "another order of the parts": lambda document: document["predicate"]["configuration"].reverse(),
        "an archive without a digest": _set("predicate/archive", ""),
        "a duel without a digest": _set("predicate/duel", "x"),
        "a loss of no generation": _set("predicate/found/0/generation", -2),
        "a loss without a digest": _set("predicate/found/0/candidate", ""),
    },
    "discovery archive": {"no discovery": _set("predicate/discovery", "")},
    "judgement": {
        "no time": lambda document: document["predicate"]["configuration"][-1]["annotations"].pop("time"),
        "another kind of judgement": _set("predicate/kind", "single file"),
        "a result that is a number": _set("predicate/result", 0.5),
    },
    "next key": {"a key that is a list": _set("predicate/public", []), "another time": _set("predicate/time", "now")},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_as_its_kind_has_it_is_refused(kind: str, statements: dict[str, Any]) -> None:
    unsound = {}
    for name, change in {**_OF_ALL, **_OF_ONE[kind]}.items():
        document = copy.deepcopy(statements[kind])
        change(document)
        try:
            read(document)
        except NoStatementError:
            continue
        unsound[name] = document
    assert unsound == {}


#: What a schema has no word for: the order of the parts, and that a time is one.
_NOT_IN_A_SCHEMA = {"another order of the parts", "a part twice", "a part of another name", "no circumstances"} | {
    "no time",
    "no nonce",
    "a time of another form",
    "a nonce that is a number",
    "another time",
    "a digest with an end",  # as Python's `$` has it
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_refuses_what_is_not_as_its_kind_has_it(kind: str, statements: dict[str, Any]) -> None:
    taken = []
    for name, change in {**_OF_ALL, **_OF_ONE[kind]}.items():
        document = copy.deepcopy(statements[kind])
        change(document)
        if validator().is_valid(document) and name not in _NOT_IN_A_SCHEMA:
            taken.append(name)
    assert taken == []


@pytest.mark.parametrize("other", KINDS)
def test_no_kind_passes_for_another(other: str, statements: dict[str, Any]) -> None:
    for kind in KINDS:
        if kind != other:
            with pytest.raises(NoStatementError):
                read({**statements[kind], "predicateType": statements[other]["predicateType"]})


_NO_KINDS: list[Any] = [[], {}, None, 1, "", "\ud800", "x" * 100_000]
_ABOUT = [{"name": "a", "digest": {"sha256": "0" * 64}}]


@pytest.mark.parametrize(
    "document",
    [None, 1, "a", [], [1], {}, True, 1.5, {"subject": 1}, {"subject": [None]}, {"predicate": 1}, {"_type": []}]
    + [{"\ud800": 1}, {"predicate": {"\ud800": 1}}, {"predicate": {"a": 10**400}}, {"subject": [{"name": "\ud800"}]}]
    + [
        {"_type": "https://in-toto.io/Statement/v1", "subject": _ABOUT, "predicate": {"a": 1}, "predicateType": kind}
        for kind in _NO_KINDS
    ],
    ids=lambda document: repr(document)[:40],
)
def test_whatever_is_no_statement_is_told_as_such(document: Any) -> None:
    with pytest.raises(NoStatementError):
        read(document)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_strangers_name_for_a_field_is_told_on_one_line_of_plain_letters(
    text: str, statements: dict[str, Any]
) -> None:
    document = copy.deepcopy(statements["gate decision"])
    document["predicate"][text] = 1
    envelope = json.dumps({text: 1, "payload": ""}, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    for attempt in (lambda: read(document), lambda: opened(envelope)):
        with pytest.raises((NoStatementError, AlteredError)) as caught:
            attempt()
        told = str(caught.value)
        assert told.isprintable()
        assert len(told) < 6500


def test_a_statement_that_is_not_as_it_should_be_is_not_made() -> None:
    for subject in ({}, {"loss.py": "x"}):
        with pytest.raises(NoStatementError):
            statement(TEST_RESULT, subject, {})
    with pytest.raises(NoStatementError):
        statement(GATE_DECISION, {"loss.py": CANDIDATE}, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000000+00:00",
        "2026-01-01T00:00:00.0000000Z",
        "2026-01-01T00:00:00.000000Z\n",
        " 2026-01-01T00:00:00.000000Z",
        "2026-1-1T00:00:00.000000Z",
        "2026-02-30T00:00:00.000000Z",
        "\u0662026-01-01T00:00:00.000000Z",
        "2026-01-01t00:00:00.000000z",
    ],
)
def test_a_time_is_written_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|match|range|day|unconverted"):
        times.read(text)
    assert times.spelt(times.read("2026-01-01T00:00:00.000000Z")) == "2026-01-01T00:00:00.000000Z"


def test_a_seed_is_one_that_ledgers_keep(statements: dict[str, Any]) -> None:
    document = statements["rung result"]
    document["predicate"]["seeds"] = {str(2**63 - 1): {}}
    read(document)
    for odd in (str(2**63), "9" * 19, "007", "-1"):
        document["predicate"]["seeds"] = {odd: {}}
        with pytest.raises(NoStatementError, match="seed"):
            read(document)
