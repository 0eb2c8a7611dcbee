"""A discovery's record and archive: whole, followed back without an engine, done again; and what a liar changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from discovered import LADDER, LINES, SealingJudge, archive, discover, entries_in, forged, losses
from scripted import FakeJudge, Script, discovery

from harness.attestation.envelope import opened as envelope
from harness.attestation.envelope import seal
from harness.cli.export import export_command
from harness.cli.import_run import import_command
from harness.cli.reproduce import reproduce_command
from harness.cli.verify import verify_command
from harness.core.digests import json_digest
from harness.core.errors import UserError
from harness.crate.packing import packed, unpacked
from harness.crate.parts import RECORDS
from harness.crate.read import DISCOVERED, DiscoveryCrate, opened
from harness.discover import again as doing_again
from harness.discover import archived, audit, record, summary
from harness.discover import retrace as retracing
from harness.discover.journal import JOURNAL, STEPS, Journal
from harness.discover.proposers import Ask, open_proposer
from harness.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from harness.attestation.keys import Keyring

    Change = Callable[[list[dict[str, Any]]], None]


@pytest.fixture
def data(tmp_path: Path, ring: Keyring) -> bytes:
    return archive(tmp_path, ring)


def crate_of(data: bytes) -> DiscoveryCrate:
    crate = opened(data)
    assert isinstance(crate, DiscoveryCrate)
    return crate


def verify(folder: Path, data: bytes, *words: str) -> Result:
    path = folder / "found.crate.zip"
    path.write_bytes(data)
    return CliRunner().invoke(verify_command, [str(path), "--forgetful", *words], catch_exceptions=False)


def told(done: Result) -> str:
    return " ".join(done.output.split())


def test_an_archive_of_a_discovery_holds_and_follows_from_its_journal(data: bytes, tmp_path: Path) -> None:
    done = verify(tmp_path, data)
    assert (done.exit_code, "records hold." in done.output) == (0, True), done.output
    assert audit.look_at(crate_of(data)) == audit.Looked(())
    said = crate_of(data).discovery.predicate
    assert [(one.name, one.generation, bool(one.record)) for one in said.found] == [
        ("dpo", -1, True),
        ("slic", -1, True),
        ("one", 0, True),
        ("two", 1, True),
    ]
    assert said.duel
    assert said.annotations("prompts")["requests"] == 4
    assert str(tmp_path).encode() not in unpacked(data)[RECORDS]


def test_every_file_of_it_counts(data: bytes, tmp_path: Path) -> None:
    for name, content in unpacked(data).items():
        for change in (content + b" ", None):
            files = {**unpacked(data), name: change}
            spoilt = packed({key: value for key, value in files.items() if value is not None})
            assert verify(tmp_path, spoilt).exit_code == 1, name


def careful(data: bytes, ring: Keyring, change: Change) -> bytes:
    """A liar's archive who draws every conclusion from the changed journal."""
    entries = entries_in(data)
    change(entries)
    with patch.object(retracing, "_ended"):
        track = retracing.retrace(entries, LADDER, retracing.plan_of(entries[0], 4))
    track.ended = str(of_kind(entries, "end", -1)["why"])

    def changed(others: list[dict[str, Any]]) -> None:
        change(others)
        of_kind(others, "end", -1)["archive"] = track.archive.digest

    def said(statement: Any) -> None:
        predicate = statement["predicate"]
        predicate["archive"], predicate["duel"] = track.archive.digest, record.digest_of_duel(track.duel)
        parts = {part["name"]: part for part in predicate["configuration"]}
        parts["prompts"]["digest"]["sha256"] = record.digest_of_prompts(entries)
        parts["replies"]["digest"]["sha256"] = record.digest_of_replies(entries)

    def files(inside: dict[str, bytes]) -> None:
        inside[f"{DISCOVERED}/{summary.ARCHIVE}"] = summary.document_of(track.archive)
        told = {"profile": LADDER.name, "proposer": str(entries[0]["proposer"]), "baseline": "dpo"}
        inside[f"{DISCOVERED}/summary.json"] = json.dumps(summary.document(track, run="run-1", **told)).encode()

    return forged(data, ring, changed, said=said, files=files)


def better(place: int) -> Change:
    def change(entries: list[dict[str, Any]]) -> None:
        losses(entries)[place]["score"] += 0.125

    return change


def of_kind(entries: list[dict[str, Any]], kind: str, place: int) -> dict[str, Any]:
    return [entry for entry in entries if entry["kind"] == kind][place]


def asked_otherwise(entries: list[dict[str, Any]]) -> None:
    ask = of_kind(entries, "ask", 2)
    ask["request"][1]["content"] += " Make it short."
    ask["digest"] = json_digest(ask["request"], compact=True)


def swapped(entries: list[dict[str, Any]]) -> None:
    first, second = [number for number, entry in enumerate(entries) if entry["kind"] == "judged"][:2]
    entries[first], entries[second] = entries[second], entries[first]


def asked_last(entries: list[dict[str, Any]]) -> None:
    entries.append({**of_kind(entries, "ask", -1), "generation": 2, "attempt": 0})


def without_duel(entries: list[dict[str, Any]]) -> None:
    entries[:] = [entry for entry in entries if entry["kind"] != "duel"]


CHANGES: dict[str, tuple[Change, str]] = {
    "a score": (better(-1), "the journal's end is of another archive of losses"),
    "a score that was told to the proposer": (better(0), "what was asked at generation 1, attempt 1 does not follow"),
    "a name": (lambda e: losses(e)[-1].update(name="mine"), "the journal's end is of another archive of losses"),
    "a request": (asked_otherwise, "what was asked at generation 2, attempt 1 does not follow"),
    "a request's digest": (lambda e: of_kind(e, "ask", 0).update(digest="0" * 64), "generation 1, attempt 1 does not"),
    "an attempt's number": (lambda e: of_kind(e, "ask", 1).update(attempt=2), "generation 1, attempt 2 does not"),
    "a reply": (lambda e: of_kind(e, "reply", 1).update(text="x"), "generation 1, attempt 2 is of another reply"),
    "parents of a reply": (lambda e: of_kind(e, "reply", 1).update(parents=["x"]), "what was replied is not what the"),
    "a duel": (lambda e: of_kind(e, "duel", 0).update(own=0.9), "its duel is not what the journal comes to"),
    "the end": (lambda e: of_kind(e, "end", 0).update(why="it was good"), "its end is not what the journal comes to"),
    "the plan": (lambda e: e[0].update(seed=5), "its plan is not what the journal comes to"),
    "the order": (swapped, "does not follow"),
    "a request more": (asked_last, "generation 3, attempt 1 does not follow"),
    "a last request that does not follow": (
        lambda e: e.insert(-1, {**of_kind(e, "ask", -1), "generation": 2, "attempt": 0, "digest": "0" * 64}),
        "generation 3, attempt 1 does not follow",
    ),
    "a last request": (
        lambda e: e.insert(-1, {"kind": "ask", "generation": 2, "attempt": 0}),
        "the journal cannot be followed: KeyError",
    ),
    "a step less": (lambda e: e.remove(of_kind(e, "reply", 0)), "a step 'reply' is due"),
    "no burn-in": (lambda e: e.remove(of_kind(e, "burn-in", 0)), "are not the losses of the catalogue"),
    "no head": (lambda e: e.clear(), "no head"),
    "a head of no run": (lambda e: e[0].pop("seed"), "no head"),
    "another ladder": (lambda e: e[0].update(profile_digest="0" * 64), "was begun with"),
    "a row of no form": (lambda e: losses(e)[0].update(metrics=3), "cannot be read"),
    "seeds of the duel left out": (
        lambda e: e.remove(of_kind(e, "duel", 1)),
        "its duel is not what the journal comes to",
    ),
    "the duel left out": (without_duel, "its duel is not what the journal comes to"),
    "the end left out": (lambda e: e.remove(of_kind(e, "end", 0)), "the journal has no end"),
    "the proposer": (lambda e: e[0].update(proposer="a person"), "what was replied is not what the journal comes to"),
    "the metric": (lambda e: e[0].update(metric="kl"), "another metric or baseline"),
    "another text of the catalogue": (
        lambda e: losses(e)[1].update(id="0" * 64),
        "are not the losses of the catalogue",
    ),
    "another outcome": (lambda e: losses(e)[-1].update(fate="stopped"), "two is told to be stopped, and its last"),
    "an infinite curve": (lambda e: losses(e)[0].update(learning=[["Infinity", 0.1]]), "this journal is damaged"),
    "a number too large": (lambda e: losses(e)[0].update(score=10**400), "this journal is damaged"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_journal_that_comes_to_something_else_is_named(name: str, data: bytes, tmp_path: Path, ring: Keyring) -> None:
    change, words = CHANGES[name]
    done = verify(tmp_path, forged(data, ring, change))
    assert done.exit_code == 1
    assert words in told(done)
    assert verify(tmp_path, forged(data, ring)).exit_code == 0, "signed anew and unchanged, it holds"


def test_a_figure_that_the_rungs_did_not_measure_is_named_whatever_else_fits(
    data: bytes, tmp_path: Path, ring: Keyring
) -> None:
    done = verify(tmp_path, careful(data, ring, better(-1)))
    assert done.exit_code == 1
    assert "the score of two, 1.225, is not what the record of its run comes to" in told(done)
    assert done.output.count("✗") == 1
    assert verify(tmp_path, careful(data, ring, lambda _: None)).exit_code == 0


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("name", "mine", "its losses is not"),
        ("candidate", "0" * 64, "its losses is not"),
        ("generation", 0, "its losses is not"),
        ("record", "0" * 64, "the record of two is missing"),
    ],
)
def test_a_loss_that_is_told_otherwise_is_named(
    data: bytes, tmp_path: Path, ring: Keyring, place: str, value: Any, words: str
) -> None:
    def said(statement: Any) -> None:
        statement["predicate"]["found"][-1][place] = value

    done = verify(tmp_path, forged(data, ring, said=said))
    assert (done.exit_code, words in told(done)) == (1, True), done.output


def test_a_loss_without_a_record_is_told_of_as_the_journals_word(data: bytes, tmp_path: Path, ring: Keyring) -> None:
    def said(statement: Any) -> None:
        statement["predicate"]["found"][0]["record"] = ""

    done = verify(tmp_path, forged(data, ring, said=said))
    assert (done.exit_code, "no record tells of the figures of dpo" in told(done)) == (0, True), done.output


def test_records_of_runs_and_of_the_discovery_are_there_once_each(data: bytes, tmp_path: Path, ring: Keyring) -> None:
    def without(number: int) -> Callable[[dict[str, bytes]], None]:
        def files(inside: dict[str, bytes]) -> None:
            lines = inside[RECORDS].splitlines(keepends=True)
            inside[RECORDS] = b"".join([*lines[:number], *lines[number + 1 :]])

        return files

    def twice(inside: dict[str, bytes]) -> None:
        own = inside[RECORDS].splitlines(keepends=True)[-1]
        inside[RECORDS] = own + inside[RECORDS]

    def text(inside: dict[str, bytes]) -> None:
        inside.pop(next(name for name in inside if name.startswith("candidates/")))

    for files, words in ((without(9), "its chain is not whole"), (twice, "just one record of"), (text, "not in it")):
        done = verify(tmp_path, forged(data, ring, files=files))
        assert (done.exit_code, words in told(done)) == (1, True), done.output


def test_what_other_code_made_is_followed_by_ours_and_what_differs_is_noted(
    data: bytes, tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = forged(data, ring, asked_otherwise)
    score = careful(data, ring, better(-1))
    part = {**record.harness_part(), "digest": {"sha256": "1" * 64}}
    monkeypatch.setattr(record, "harness_part", lambda: part)
    assert verify(tmp_path, data).exit_code == 0
    done = verify(tmp_path, other)
    assert (done.exit_code, "made by other code" in told(done)) == (0, True), done.output
    assert "and by ours what was asked at generation 2, attempt 1 does not follow" in told(done)
    assert verify(tmp_path, score).exit_code == 1, "what the records say is nothing that code decides about"


def files_changed(**changes: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda inside: inside.update({f"{DISCOVERED}/{name}": content for name, content in changes.items()})


def test_what_was_left_follows_too(data: bytes, tmp_path: Path, ring: Keyring) -> None:
    def best(statement: Any) -> None:
        statement["subject"].append({"name": "best.py", "digest": {"sha256": record.digest_of(b"x = 1\n")}})

    better_told = json.loads(unpacked(data)[f"{DISCOVERED}/summary.json"]) | {"gain": {"mean": 99.0}}
    for name, content, said in (
        ("best.py", b"x = 1\n", best),
        ("summary.json", json.dumps(better_told).encode(), lambda _: None),
        (summary.ARCHIVE, b"[]", lambda _: None),
    ):
        done = verify(tmp_path, forged(data, ring, said=said, files=files_changed(**{name: content})))
        assert (done.exit_code, f"{DISCOVERED}/{name} is not what" in told(done)) == (1, True), (name, done.output)


def test_a_record_of_another_loss_or_ladder_is_behind_no_score(data: bytes, tmp_path: Path, ring: Keyring) -> None:
    def borrowed(statement: Any) -> None:
        found = statement["predicate"]["found"]
        found[1]["record"] = found[-1]["record"]

    done = verify(tmp_path, forged(data, ring, said=borrowed))
    assert (done.exit_code, "the record of slic is that of another of its losses" in told(done)) == (1, True), (
        done.output
    )

    def seeds(statement: Any) -> None:
        statement["predicate"]["configuration"][3]["annotations"]["confirm"] = 10**9

    done = verify(tmp_path, forged(data, ring, said=seeds))
    assert (done.exit_code, "no number of fresh seeds" in told(done)) == (1, True), done.output


def test_results_of_another_ladder_are_behind_no_score(data: bytes, ring: Keyring) -> None:
    named: dict[str, str] = {}

    def ladder(inside: dict[str, bytes]) -> None:
        made = []
        for line in inside[RECORDS].splitlines(keepends=True):
            text = json.dumps(envelope(line).statement).replace(LADDER.digest, "f" * 64)
            for old, new in named.items():
                text = text.replace(old, new)
            made.append(seal(json.loads(text), ring.signing()))
            named[record.digest_of(line)] = record.digest_of(made[-1])
        inside[RECORDS] = b"".join(made)

    looked = audit.look_at(crate_of(forged(data, ring, files=ladder)))
    assert "the score of dpo, 0.6, is not what the record of its run comes to" in looked.problems
    assert "its ladder is not what the journal comes to" in looked.problems


@pytest.mark.parametrize("proposer", ["evolve", "killed", "not sent back"])
def test_journals_of_all_kinds_can_be_followed(
    tmp_path: Path, ring: Keyring, proposer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Script, "label", "a model")
    if proposer == "evolve":
        data = archive(tmp_path, ring, proposer=open_proposer("evolve", Ask()), generations=6)
    elif proposer == "killed":
        with Ledger(tmp_path / "ledger") as ledger:
            recorded = _recorded(tmp_path, resamples=True)
            with pytest.raises(KeyboardInterrupt):
                discover(tmp_path / "run-1", ring, ledger, _Killed(recorded, 2))
            track = discover(tmp_path / "run-1", ring, ledger, open_proposer(f"replay:{recorded}", Ask()))
            assert track.uncertain == 1
            data = archived.write(tmp_path / "run-1", ledger, ring.signing(), ring.trusted())
    else:
        recorded = _recorded(tmp_path, resamples=False)
        data = archive(tmp_path, ring, proposer=open_proposer(f"replay:{recorded}", Ask()), generations=4)
        attempts = [(e["generation"], e["attempt"]) for e in entries_in(data) if e["kind"] == "ask"]
        assert attempts == [(0, 0), (1, 0), (2, 0), (3, 0)], "as it was recorded"
    assert audit.look_at(crate_of(data)) == audit.Looked(())
    if proposer == "evolve":

        def change(entries: list[dict[str, Any]]) -> None:
            of_kind(entries, "reply", 2)["state"]["marks"].append("x")

        looked = audit.look_at(crate_of(forged(data, ring, change)))
        assert looked.problems == (
            "what was asked at generation 4, attempt 1 does not follow from what was known then",
        )


def _recorded(folder: Path, *, resamples: bool) -> Path:
    place = folder / "said.jsonl"
    with Journal(place) as journal:
        generations = 2 if resamples else 4
        discovery(journal, Script(LINES, resamples=resamples), FakeJudge(), generations=generations).run()
    return place


class _Killed:
    """A replay that is killed at a call."""

    def __init__(self, recorded: Path, at: int) -> None:
        self._own, self._left = open_proposer(f"replay:{recorded}", Ask()), at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def propose(self, context: Any, key: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._own.propose(context, key)


def again(data: bytes, folder: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch, **judge: Any) -> doing_again.Again:
    def opened_judge(_ladder: object, ledger: Ledger, _folder: object, **_more: object) -> SealingJudge:
        return SealingJudge(ledger=ledger, ring=ring, **judge)

    monkeypatch.setattr(doing_again, "LadderJudge", opened_judge)
    return doing_again.again(crate_of(data), folder)


@pytest.mark.parametrize("proposer", ["a model", "evolve", "no more to say", "no more to say at once"])
def test_it_is_done_again_to_the_bit(
    tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch, proposer: str
) -> None:
    how: dict[str, Any] = {}
    if proposer == "evolve":
        how = {"proposer": open_proposer("evolve", Ask()), "generations": 6}
    elif proposer != "a model":
        # Its recording ends with a request that nothing was replied to, for another generation or another attempt.
        recorded = _recorded(tmp_path, resamples=True)
        entries = [json.loads(line) for line in recorded.read_text().splitlines()]
        last = max(number for number, entry in enumerate(entries) if entry["kind"] == "reply")
        kept = entries if proposer == "no more to say" else entries[:last]
        recorded.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
        how = {"proposer": open_proposer(f"replay:{recorded}", Ask()), "generations": 9}
    data = archive(tmp_path, ring, **how)
    steps = [entry["kind"] for entry in entries_in(data) if entry["kind"] in STEPS]
    assert (steps[-1] == "ask") == proposer.startswith("no more")
    assert audit.look_at(crate_of(data)) == audit.Looked(())
    made = again(data, tmp_path / "again", ring, monkeypatch)
    assert made.differences == ()
    assert made.attempts == {"a model": 4, "evolve": 6, "no more to say": 4, "no more to say at once": 3}[proposer]


def test_what_differs_is_told_from_below(
    data: bytes, tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = again(data, tmp_path / "again", ring, monkeypatch, off=0.125).differences
    where = [(one.layer, one.where) for one in found]
    assert ("outcome", "bandit, seed 0, score") in where, "by the records of the rungs"
    assert ("outcome", "the burn-in with dpo, score") in where
    assert where[-1] == ("outcome", "the archive of losses")

    def other(entries: list[dict[str, Any]]) -> None:
        losses(entries)[-1]["score"] += 0.25

    found = again(careful(data, ring, other), tmp_path / "claimed", ring, monkeypatch).differences
    assert ("outcome", "generation 2, attempt 2, what came of it, score") in [(one.layer, one.where) for one in found]
    part = {**record.harness_part(), "digest": {"sha256": "1" * 64}}
    monkeypatch.setattr(record, "harness_part", lambda: part)
    found = again(data, tmp_path / "code", ring, monkeypatch).differences
    assert [(one.layer, one.where) for one in found] == [("code", "harness")]


def test_the_commands_know_a_discovery_by_its_name(
    tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger(tmp_path / "own") as ledger:
        discover(tmp_path / "own" / "discover" / "run-1", ring, ledger)
    place = tmp_path / "own" / "discover" / "run-1"
    files = [str(place / name) for name in (record.RECORD, JOURNAL, summary.ARCHIVE, "summary.json")]
    assert CliRunner().invoke(verify_command, files).exit_code == 0
    done = CliRunner().invoke(export_command, ["run-1", "--folder", "own"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    out = "discovery-run-1.crate.zip"
    assert CliRunner().invoke(verify_command, [out]).exit_code == 0
    with pytest.raises(UserError, match="archive of a discovery"):
        CliRunner().invoke(import_command, [out, "--folder", "other"], catch_exceptions=False)
    assert CliRunner().invoke(reproduce_command, [out, "--rung", "1"]).exit_code == 2
    with pytest.raises(UserError, match="there is no run run-2"):
        CliRunner().invoke(export_command, ["run-2", "--folder", "own"], catch_exceptions=False)
    (place / record.RECORD).unlink()
    with pytest.raises(UserError, match="not come to an end"):
        CliRunner().invoke(export_command, ["run-1", "--folder", "own"], catch_exceptions=False)


def test_a_record_speaks_of_a_journal_to_its_last_byte(tmp_path: Path, ring: Keyring) -> None:
    with Ledger(tmp_path / "own") as ledger:
        discover(tmp_path / "run-1", ring, ledger)
    place = tmp_path / "run-1"
    line = json.loads((place / JOURNAL).read_bytes().splitlines()[-1])
    (place / JOURNAL).write_bytes((place / JOURNAL).read_bytes() + json.dumps({**line, "why": "x"}).encode() + b"\n")
    done = CliRunner().invoke(verify_command, [str(place / record.RECORD), str(place / JOURNAL)])
    assert (done.exit_code, "no record that holds is about all of it" in told(done)) == (1, True), done.output
