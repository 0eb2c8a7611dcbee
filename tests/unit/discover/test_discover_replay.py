"""`replay:FILE`: the same replies again; the recording that ships; files that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from scripted import FakeJudge, Script, discovery, reply

from harness.core.digests import json_digest
from harness.core.errors import UserError
from harness.core.files import LINES
from harness.discover import prompts
from harness.discover.journal import SCHEMA, Journal, read_entries
from harness.discover.loop import Discovery
from harness.discover.proposers import Ask, Context, ExhaustedError, Proposal, open_proposer
from harness.discover.reading import read
from harness.discover.track import Plan
from harness.ladder.ladder import load
from harness.llm.account import Usage

SHIPPED = Path(__file__).resolve().parents[3] / "examples" / "discovery" / "replies.jsonl"
CONTEXT = Context(contract="preference", metric="score", baseline="dpo", generation=0, attempt=0, seed=7)
HEAD = {"kind": "head", "schema": SCHEMA}


def recording(path: Path, *entries: object) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in (HEAD, *entries)), encoding="utf-8")
    return path


def test_the_recording_that_ships_meets_every_kind_of_reply() -> None:
    proposer = open_proposer(f"replay:{SHIPPED}", Ask())
    replies = [proposer.propose(CONTEXT, "") for _ in range(18)]
    with pytest.raises(ExhaustedError):
        proposer.propose(CONTEXT, "")
    good = "json"
    assert [read(one).kind for one in replies] == [
        *("empty", "no-code", good, good),
        *("wrong-keys", "hostile", good),
        *(good, good, good),
        *("cut", "two-candidates", "refusal", good),
        *("not-json", "code-in-prose"),
        *(good, good),
    ]


def test_the_recording_that_ships_holds_what_is_asked_today() -> None:
    """Where this fails, the words of a prompt were changed: replay it, and take the journal's requests and replies."""
    head, *entries = read_entries(SHIPPED)
    assert head["profile_digest"] == load("bandit").digest, "a newer ladder gives other scores, and so other requests"
    asked = [entry for entry in entries if entry["kind"] == "ask"]
    assert len(asked) == 18
    system = prompts.messages(CONTEXT)[0]
    for entry in asked:
        assert entry["request"][0] == system
        assert json_digest(entry["request"], compact=True) == entry["digest"]
    last = asked[-1]["request"][1]["content"]
    assert "learning curve (step: score): 30: " in last


def test_a_journal_replays_to_the_same_end_and_says_what_was_asked_again(tmp_path: Path) -> None:
    lines = ["", reply("k * 0.25", "one"), reply("torch.exp(x)", "hot"), reply("k * 0.5", "two", ["one"])]
    first = tmp_path / "first"
    with Journal(first) as journal:
        track = discovery(journal, Script(lines), FakeJudge(), generations=2).run()
    ends = []
    for name in ("second", "third"):
        source = first if name == "second" else tmp_path / "second"
        proposer = open_proposer(f"replay:{source}", Ask())
        with Journal(tmp_path / name) as journal:
            again = discovery(journal, proposer, FakeJudge(), generations=2).run()
        assert [row.entry() for row in again.rows] == [row.entry() for row in track.rows]
        assert again.archive.digest == track.archive.digest
        assert again.spent == track.spent
        ends.append((proposer.compared, proposer.same))  # type: ignore[attr-defined]
    # A script asks in its own words; a replay asks as a model is asked, and a replay of it asks the same.
    assert ends == [(4, 0), (4, 4)]


def test_a_journal_of_earlier_versions_replays_to_the_same_archive(tmp_path: Path) -> None:
    older = Path(__file__).with_name("older_journal.jsonl")
    head, *_, end = read_entries(older)
    proposer = open_proposer(f"replay:{older}", Ask())
    with Journal(tmp_path / "j") as journal:
        plan = Plan(generations=2, burn_in=("dpo",), confirm=0)
        track = Discovery(plan, load(head["profile"]), proposer, FakeJudge(), journal).run()
    assert track.archive.digest == end["archive"]
    cost: Any = pytest.approx(0.010896)
    assert track.spent == Usage(3058, 478, cost, 3)
    assert proposer.compared == 3  # type: ignore[attr-defined]


def test_a_recording_that_ends_early_ends_the_run(tmp_path: Path) -> None:
    path = recording(tmp_path / "r", {"kind": "reply", "text": reply("k * 0.25")})
    with Journal(tmp_path / "j") as journal:
        track = discovery(journal, open_proposer(f"replay:{path}", Ask()), generations=9).run()
    assert "end" in track.ended
    assert len(track.rows) == 1


def test_usage_and_flags_come_back(tmp_path: Path) -> None:
    usage = {"tokens_in": 5, "tokens_out": 6, "dollars": None, "calls": 1}
    path = recording(tmp_path / "r", {"kind": "reply", "text": "x", "cut": True, "usage": usage, "parents": ["p"]})
    got = open_proposer(f"replay:{path}", Ask()).propose(CONTEXT, "")
    assert got == Proposal("x", Usage(5, 6, None, 1), cut=True, parents=("p",))


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "ask"},
        {"kind": "reply"},
        {"kind": "reply", "text": 3},
        {"kind": "reply", "text": "x", "cut": "yes"},
        {"kind": "reply", "text": "x", "usage": {"tokens_in": -1}},
        {"kind": "reply", "text": "x", "usage": {"gold": 1}},
        {"kind": "reply", "text": "x", "parents": [3]},
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, entry: dict[str, object]) -> None:
    with pytest.raises(UserError):
        open_proposer(f"replay:{recording(tmp_path / 'r', entry)}", Ask())


def test_a_recording_that_no_memory_should_hold_is_not_read(tmp_path: Path) -> None:
    path = recording(tmp_path / "r", {"kind": "reply", "text": "x"})
    os.truncate(path, LINES + 1)
    with pytest.raises(UserError, match=f"{LINES} are the most"):
        open_proposer(f"replay:{path}", Ask())


@pytest.mark.parametrize(
    "state", [None, {}, {"next": -1, "compared": 0, "same": 0}, {"next": 99, "compared": 0, "same": 0}]
)
def test_a_state_of_another_recording_is_refused(tmp_path: Path, state: object) -> None:
    proposer = open_proposer(f"replay:{recording(tmp_path / 'r', {'kind': 'reply', 'text': 'x'})}", Ask())
    with pytest.raises(ValueError, match="state"):
        proposer.restore(state)  # type: ignore[arg-type]
