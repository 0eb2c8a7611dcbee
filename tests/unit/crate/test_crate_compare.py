"""Where two records of the same differ: the lowest layer first, and in it the first place."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from crate_samples import archive
from sealing_samples import keys

from harness.attestation.envelope import opened as envelope
from harness.attestation.statement import RungResultStatement, read
from harness.checks.options import Options
from harness.core.result import CheckReport, CheckResult
from harness.core.verdict import Accepted
from harness.crate.compare import _first, differences
from harness.crate.read import opened
from harness.ladder.climb import TIMINGS
from harness.ladder.verdict_record import verdict_statement

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def result(tmp_path: Path) -> Any:
    """What a rung with seeds came to, as a document."""
    crate = opened(archive(tmp_path, keys(tmp_path / "keys")))
    documents = [envelope(line).statement for _, line in crate.records]
    return next(one for one in documents if isinstance(read(one), RungResultStatement))


def changed(document: Any, *path: Any, to: Any) -> Any:
    out = copy.deepcopy(document)
    place = out
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return out


def part(document: Any, name: str) -> int:
    return next(n for n, one in enumerate(document["predicate"]["configuration"]) if one["name"] == name)


def found(then: Any, now: Any) -> list[tuple[str, str, str, str]]:
    return [(one.layer, one.where, one.then, one.now) for one in differences(read(then), read(now))]


def test_a_record_and_itself_do_not_differ(result: Any) -> None:
    assert found(result, result) == []


def test_each_layer_is_named(result: Any) -> None:
    at = ("predicate", "configuration")
    digest = ("digest", "sha256")
    for name, layer in (("harness", "code"), ("profile", "code"), ("ladder", "code"), ("image", "image")):
        ((told, where, _, now),) = found(result, changed(result, *at, part(result, name), *digest, to="9" * 64))
        assert (told, where) == (layer, name)
        assert now.startswith("9" * 12)
    ((told, where, *_),) = found(result, changed(result, "subject", 0, "digest", "sha256", to="9" * 64))
    assert (told, where) == ("candidate", "text")


def test_what_is_of_the_machine_and_the_hour_is_no_difference(result: Any) -> None:
    at = ("predicate", "configuration", part(result, "circumstances"), "annotations")
    now = changed(result, *at, "machine", to={"engine": "another", "processor": "another"})
    now = changed(now, *at, "time", to="2030-01-01T00:00:00.000000Z")
    assert found(result, now) == []
    timed = [changed(result, "predicate", "documents", TIMINGS.format(0), to=digit * 64) for digit in "12"]
    assert found(*timed) == []
    left = [changed(result, "predicate", "documents", "curve-0.json", to=digit * 64) for digit in "12"]
    assert [one[1] for one in found(*left)] == ["screen, document curve-0.json"]


def placed(document: Any, processor: str, **told: str) -> Any:
    at = ("predicate", "configuration", part(document, "circumstances"), "annotations")
    machine = {"engine": "Docker 1", "kernel": "5", "processor": processor, "memory": len(processor)}
    out = changed(document, *at, "machine", to=machine)
    for name, value in told.items():
        out = changed(out, *at, name, to=value)
    return out


def test_other_hardware_is_told_before_an_outcome_that_differs_and_with_none_that_does_not(result: Any) -> None:
    then, now = placed(result, "Xeon", device="cpu"), placed(result, "EPYC", device="cpu and GPU")
    assert found(then, now) == []
    now = changed(now, "predicate", "seeds", "0", "score", to=0.25)
    assert [place[:2] for place in found(then, now)] == [
        ("hardware", "device"),
        ("hardware", "processor"),
        ("outcome", f"{result['predicate']['rung']['name']}, seed 0, score"),
    ]
    assert ("hardware", "processor", "Xeon", "EPYC") in found(then, now)
    at = ("predicate", "configuration", part(result, "image"), "digest", "sha256")
    assert [layer for layer, *_ in found(then, changed(now, *at, to="9" * 64))] == [
        "image",
        "hardware",
        "hardware",
        "outcome",
    ]
    # What only one of them tells may have been the same.
    assert [layer for layer, *_ in found(result, changed(placed(result, "EPYC"), "predicate", "seeds", to={}))] == [
        "outcome"
    ]


def test_a_verdict_that_differs_is_explained_by_hardware_too() -> None:
    judged = CheckResult("loss.py", "5f" * 32, "loss", verdict=Accepted(), environment={"device": "cpu"})
    document = verdict_statement(CheckReport("2026.2", 0, (judged,)), judged, Options())
    then, now = placed(document, "Xeon"), placed(document, "EPYC")
    assert found(then, now) == []
    at = ("predicate", "configuration", part(document, "report"), "digest", "sha256")
    now = changed(now, *at, to="9" * 64)
    assert [place[:2] for place in found(then, now)] == [("hardware", "processor"), ("outcome", "report")]


@pytest.mark.parametrize("commit", ["c" * 40, "d" * 64])
def test_code_that_differs_is_named_by_its_commit(result: Any, commit: str) -> None:
    at = ("predicate", "configuration", part(result, "harness"))
    then = changed(result, *at, "annotations", to={"version": "1", "commit": commit})
    now = changed(result, *at, "annotations", to={"version": "1", "commit": "e" * 40, "changed": True})
    now = changed(now, *at, "digest", "sha256", to="9" * 64)
    (one,) = differences(read(then), read(now))
    assert one.layer == "code"
    assert one.then.endswith(f"(commit {commit[:12]}, version 1)")
    assert one.now.endswith(f"(commit {'e' * 12} with changes, version 1)")
    assert one.remedy == f"`git checkout {commit}`"
    (back,) = differences(read(now), read(then))
    assert back.remedy == f"`git checkout {'e' * 40}`, and make the changes that it had then"


@pytest.mark.parametrize("commit", ["HEAD; rm -r .", "c" * 39, "c" * 40 + "\n", "", None, ["c" * 40]])
def test_what_is_no_commit_is_nobodys_next_step(result: Any, commit: Any) -> None:
    at = ("predicate", "configuration", part(result, "harness"))
    then = changed(result, *at, "annotations", "commit", to=commit)
    (one,) = differences(read(then), read(changed(then, *at, "digest", "sha256", to="9" * 64)))
    assert "git checkout" not in one.remedy


def test_the_seed_and_the_metric_that_differ_are_named(result: Any) -> None:
    now = changed(result, "predicate", "seeds", "0", "score", to=0.5000000000000001)
    rung = result["predicate"]["rung"]["name"]
    assert found(result, now) == [("outcome", f"{rung}, seed 0, score", "0.5", "0.5000000000000001")]
    now = changed(result, "predicate", "seeds", "1", to={"score": 1.0})
    assert found(result, now) == [("outcome", f"{rung}, seed 1, score", "(nothing)", "1.0")]


def test_on_a_gpu_numbers_may_differ_by_the_stated_tolerance_and_no_more(result: Any) -> None:
    at = ("predicate", "configuration", part(result, "circumstances"), "annotations", "device")
    then = changed(result, *at, to="cpu and GPU")
    near = changed(then, "predicate", "seeds", "0", "score", to=0.5000001)
    far = changed(then, "predicate", "seeds", "0", "score", to=0.6)
    assert found(then, near) == []
    assert [layer for layer, *_ in found(then, far)] == ["outcome"]


def test_a_document_that_differs_is_named(result: Any) -> None:
    now = changed(result, "predicate", "documents", "left.json", to="9" * 64)
    ((layer, where, _, after),) = found(result, now)
    assert (layer, where.endswith("document left.json"), after) == ("outcome", True, "9" * 12)


@pytest.mark.parametrize(
    ("then", "now", "where"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}, ("b[1]", "2", "3")),
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": 2}, "c": 3}, ("a.b", "1", "2")),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", "null", "2")),
        ({"a": [1]}, {"a": [1, 2]}, ("a", "[1]", "[1, 2]")),
    ],
)
def test_of_two_documents_the_first_place_is_told(then: Any, now: Any, where: tuple[str, str, str]) -> None:
    assert list(_first(then, now)) == [where]
