"""The record of one result: what it says of each verdict, whatever a candidate wrote, and that it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hostile_texts import HOSTILE
from record_samples import RAISES, problems, report, result, ring_in, statement_in

from harness.checks.options import Options
from harness.core.errors import UserError
from harness.core.profiles import load
from harness.core.verdict import Accepted, Rejected, Screened, Severity, Undecided
from harness.images import examined
from harness.images.examined import Examined, Host
from harness.ladder.verdict_record import seal_verdicts, verdict_statement
from harness.report.json_report import compared_digest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.attestation.keys import Keyring
    from harness.core.result import CheckResult

PROFILE = "2026.2"
WARNING = replace(RAISES, rule="W207", severity=Severity.WARNING)


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return ring_in(tmp_path / "keys")


def whole(verdict: Any = None, **changes: Any) -> CheckResult:
    """A result that has an outcome of all rules but those that may be not run."""
    profile = load(PROFILE)
    excused = dict(profile.not_run)
    came = {rule: "not-run" if rule in excused else "passed" for rule in profile.properties}
    return result(verdict, **{"properties": came, "not_run": excused, **changes})


def sealed(ring: Keyring, *results: CheckResult, options: Options | None = None, nonce: str = "") -> bytes:
    told = replace(report(*results), profile=PROFILE)
    return seal_verdicts(told, options or Options(profile=PROFILE), ring.signing(), nonce)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Accepted(), "PASSED"),
        (Accepted((WARNING,)), "WARNED"),
        (Rejected((RAISES,)), "FAILED"),
        (Rejected((RAISES, WARNING)), "FAILED"),
    ],
)
def test_a_verdict_is_told_by_its_rules(verdict: Any, told: str, ring: Keyring) -> None:
    line = sealed(ring, whole(verdict), nonce="7f3a")
    said = statement_in(line)["predicate"]
    assert said["result"] == told
    assert ("W207" in said["warnedTests"]) == (WARNING in verdict.findings)
    assert ("W202" in said["failedTests"]) == (RAISES in verdict.findings)
    assert problems([line], ring.trusted(), nonce="7f3a") == ""


@pytest.mark.parametrize(
    ("verdict", "told"), [(Screened(), "screened"), (Undecided("the engine went away", "again"), "undecided")]
)
def test_what_nobody_judged_has_no_result(verdict: Any, told: str, ring: Keyring) -> None:
    line = sealed(ring, whole(verdict))
    document = statement_in(line)
    assert document["predicateType"] == "urn:harness:no-verdict:v1"
    assert document["predicate"]["verdict"] == told
    assert problems([line], ring.trusted()) == ""


def test_a_pass_that_left_out_a_rule_does_not_hold(ring: Keyring) -> None:
    one = whole()
    left = {rule: came for rule, came in one.properties.items() if rule != "P301"}
    assert "no outcome of P301" in problems([sealed(ring, replace(one, properties=left))], ring.trusted())


def test_what_was_not_read_has_no_record(ring: Keyring) -> None:
    unread = whole(Undecided("no engine", "start it"), sha256="")
    assert sealed(ring, unread) == b""
    assert len(sealed(ring, unread, whole()).splitlines()) == 1
    with pytest.raises(UserError, match="not read"):
        verdict_statement(report(unread), unread, Options())


def test_a_record_names_what_is_compared_of_its_report(ring: Keyring) -> None:
    one = whole()
    parts = {part["name"]: part for part in statement_in(sealed(ring, one))["predicate"]["configuration"]}
    told = replace(report(one), profile=PROFILE)
    assert parts["report"]["digest"]["sha256"] == compared_digest(told, one)
    assert parts["profile"]["digest"]["sha256"] == load(PROFILE).digest
    assert len(parts["lock"]["digest"]["sha256"]) == 64
    assert "digest" not in parts["image"], "nothing was run"
    ran = whole(environment={"device": "cpu", "image_digest": "sha256:" + "ab" * 32})
    parts = {part["name"]: part for part in statement_in(sealed(ring, ran))["predicate"]["configuration"]}
    assert parts["image"]["digest"]["sha256"] == "ab" * 32


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_candidate_wrote_there_is_a_record_and_it_holds(kind: str, ring: Keyring) -> None:
    text = HOSTILE[kind]
    finding = replace(RAISES, message=text, detail=text, fix=text, counterexample={text: text})
    common: dict[str, Any] = {"name": text, "output": text, "machine": {"engine": text}}
    common["path"] = f"a/{text}.py"
    results = [
        whole(Rejected((finding,)), **common, facts={"uses": [text]}),
        whole(Undecided(text, text), **common, environment={"device": text, "runtime": text}, sha256="ab" * 32),
        whole(Accepted(), **common, sha256="cd" * 32),
    ]
    lines = sealed(ring, *results, options=Options(profile=PROFILE, entry=text.encode("utf-8", "replace").decode()))
    assert len(lines.splitlines()) == 3
    assert problems(lines.splitlines(keepends=True), ring.trusted()) == ""


def test_a_record_tells_of_the_examination_of_just_that_place(ring: Keyring) -> None:
    told = {"device": "cpu", "image_digest": "sha256:" + "ab" * 32, "runtime": "runsc"}
    one = whole(environment=told, machine={"engine": "Docker 1"})

    def doctor(made: CheckResult) -> Any:
        return statement_in(sealed(ring, made))["predicate"]["configuration"][-1]["annotations"]["doctor"]

    assert doctor(one) == {"result": "not examined"}
    host = Host("Docker 1", "sha256:" + "ab" * 32, "runsc", gpu=False)
    examined.remember(host, Examined("trusted", "2026-01-01T00:00:00.000000Z", "ef" * 32))
    assert doctor(one) == {"result": "trusted", "time": "2026-01-01T00:00:00.000000Z", "sha256": "ef" * 32}
    others: tuple[dict[str, Any], ...] = (
        {"environment": {**told, "runtime": "runc"}},
        {"environment": {**told, "device": "cuda"}},
        {"environment": {**told, "image_digest": "sha256:" + "cd" * 32}},
        {"machine": {"engine": "Docker 2"}},
    )
    for other in others:
        assert doctor(replace(one, **other)) == {"result": "not examined"}


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"result":1,"time":"","sha256":""}'])
def test_an_examination_that_is_damaged_is_none(data: bytes, tmp_path: Path) -> None:
    host = Host("a", "b", "c", gpu=False)
    examined.remember(host, Examined("trusted", "t", "s"), tmp_path)
    (path,) = (tmp_path / "examined").iterdir()
    assert examined.last(host, tmp_path) == Examined("trusted", "t", "s")
    path.write_bytes(data)
    assert examined.last(host, tmp_path) is None
