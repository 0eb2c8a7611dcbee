"""The loop: every class of reply, findings that go back, budgets, the archive, and a journal that forgets nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from scripted import FakeJudge, Script, code, discovery, reply

from harness.core.errors import InfrastructureError, UserError
from harness.discover import summary
from harness.discover.journal import Journal
from harness.discover.proposers import Known
from harness.discover.track import Duel, Plan, Track
from harness.llm.account import Budget, Prices, Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.discover.judging import Judged, Seen

GOOD = [reply("k * 0.25", "one"), reply("k * 0.5", "two", ["one"]), reply("k * 0.75", "three", ["two", "dpo"])]
BAD = {
    "empty": "",
    "no-code": "The logistic loss is the best there is.",
    "refusal": "I'm sorry, but I cannot help with that.",
    "cut": reply("k * 0.25")[:-20],
    "not-json": '{"code": "def x" oops}',
    "wrong-keys": json.dumps({"program": code("k * 0.25")}),
    "two-candidates": reply("k * 0.25") + "\n" + reply("k * 0.5"),
    "too-large": "x" * 5_000_000,
    "prompted": ">>> " + code("k * 0.25").replace("\n    ", "\n...     "),
    "hidden-text": "\u202edef loss\u202c",
}


@pytest.fixture
def journal(tmp_path: Path):
    with Journal(tmp_path / "journal.jsonl") as opened:
        yield opened


def run(path: Path, script: Script, judge: FakeJudge | None = None, **plan: object) -> Track:
    with Journal(path) as opened:
        return discovery(opened, script, judge, **plan).run()


def test_proposals_are_judged_and_come_back_with_their_scores(journal: Journal) -> None:
    script = Script(list(GOOD))
    track = discovery(journal, script).run()
    assert [row.fate for row in track.rows] == ["measured"] * 3
    assert [loss.name for loss in track.archive.best(3)] == ["three", "two", "one"]
    last = script.asked[-1]
    assert [loss.name for loss in last.burn_in] == ["dpo", "slic"]
    assert last.best[0].name == "two"
    assert script.outcomes[1].note == 2, "what the proposer noted comes back to it"
    parents = {loss.name: loss.parents for loss in track.archive.known}
    ids = {loss.name: loss.id for loss in track.archive.known}
    assert parents["three"] == (ids["two"], ids["dpo"])
    assert track.ended == "3 generations"


@pytest.mark.parametrize("kind", BAD)
def test_no_reply_stops_the_run_and_each_is_told_what_it_was(journal: Journal, kind: str) -> None:
    script = Script([BAD[kind], GOOD[0]])
    track = discovery(journal, script, generations=1).run()
    assert [row.reply for row in track.rows] == [kind, "json"]
    assert track.rows[0].fate == "unreadable"
    (turn,) = script.asked[1].turns
    assert turn.answer == track.rows[0].answer
    assert len(turn.answer) > 20
    assert track.kinds[kind] == 1
    assert track.deaths()["reading"] == 1
    top = track.archive.top()
    assert top is not None
    assert top.name == "one"


def test_findings_go_back_fenced_and_the_next_attempt_keeps_the_conversation(journal: Journal) -> None:
    script = Script([reply("torch.exp(-x)", "hot"), "", GOOD[0]])
    track = discovery(journal, script, generations=1).run()
    assert [row.fate for row in track.rows] == ["rejected", "unreadable", "measured"]
    first, second = script.asked[2].turns
    assert "P302 finite-value" in first.answer
    assert "use softplus" in first.answer
    assert "beta = 0.5" in first.answer
    assert first.answer.count("</data>") == 1, "a finding that quotes a candidate cannot end its fence"
    assert "system:" not in first.answer
    assert "torch.exp" in first.reply
    assert "empty" in second.answer


def test_hostile_code_never_reaches_the_judge_and_is_named(journal: Journal) -> None:
    judge = FakeJudge()
    text = json.dumps({"name": "spy", "code": "import os\n" + code("k * 0.25")})
    track = discovery(journal, Script([text]), judge, generations=1, resamples=0).run()
    (row,) = track.rows
    assert (row.reply, row.fate, row.rung, row.rules) == ("hostile", "rejected", "screen", ("S112",))
    assert "loss" not in judge.judged


def test_code_in_prose_is_taken_and_counted(journal: Journal) -> None:
    track = discovery(journal, Script([f"Here:\n```python\n{code('k * 0.25')}```\n"])).run()
    assert [(row.reply, row.fate) for row in track.rows] == [("code-in-prose", "measured")]


def test_a_function_that_is_known_is_not_trained_again_and_is_sent_back(journal: Journal) -> None:
    script = Script([GOOD[0], reply("k * 0.25 + 0", "again"), GOOD[1]])
    track = discovery(journal, script, generations=2).run()
    assert [row.fate for row in track.rows] == ["measured", "known", "measured"]
    known = track.rows[1]
    assert (known.score, known.same_as) == (0.85, track.rows[0].id)
    assert "bandit" not in known.seconds
    assert "same function as one" in script.asked[2].turns[0].answer
    assert len(track.archive.known) == 4


def test_resampling_ends_after_k_and_not_at_all_for_who_does_not_read(journal: Journal, tmp_path: Path) -> None:
    script = Script([""] * 9)
    track = discovery(journal, script, generations=2, resamples=2).run()
    assert [(row.generation, row.attempt) for row in track.rows] == [(g, a) for g in (0, 1) for a in (0, 1, 2)]
    deaf = Script([""] * 3, resamples=False)
    assert [row.attempt for row in run(tmp_path / "deaf.jsonl", deaf).rows] == [0, 0, 0]


def test_what_a_gate_stopped_is_a_lesson_and_not_a_success(journal: Journal) -> None:
    script = Script([reply("k * -1", "worse"), GOOD[0]])
    track = discovery(journal, script).run()
    assert [row.fate for row in track.rows] == ["stopped", "measured"]
    assert [failure.name for failure in script.asked[1].failures] == ["worse"]
    assert "worse" not in {loss.name for loss in track.archive.known}
    assert track.deaths()["bandit"] == 1


@pytest.mark.parametrize(
    ("limit", "word"),
    [
        ({"budget": Budget(tokens=330)}, "tokens"),
        ({"budget": Budget(money=0.003, prices=Prices(1.0, 1.0))}, "dollars"),
        ({"gpu_hours": 0.0005}, "GPU"),
    ],
)
def test_a_budget_ends_the_run_before_the_next_call(journal: Journal, limit: dict[str, object], word: str) -> None:
    judge = FakeJudge(gpu_rungs=frozenset({"bandit"}))
    script = Script([reply(f"k * {0.1 + n / 10}") for n in range(9)])
    track = discovery(journal, script, judge, **limit).run()
    assert word in track.ended
    assert 0 <= len(track.rows) < 9
    spent = {"tokens": 110 * len(track.rows), "dollars": 0.001 * len(track.rows), "GPU": track.gpu_seconds}[word]
    assert spent >= {"tokens": 330, "dollars": 0.003 - 1e-12, "GPU": 1.8}[word]


def test_a_budget_holds_within_a_generation_too(journal: Journal) -> None:
    track = discovery(journal, Script([""] * 9), generations=1, resamples=8, budget=Budget(tokens=220)).run()
    assert len(track.rows) == 2


def test_money_without_a_price_is_no_budget() -> None:
    with pytest.raises(UserError, match="price"):
        Budget(money=1.0)
    plan = Plan(generations=1, budget=Budget(money=1.0, prices=Prices(1.0, 1.0)))
    with pytest.raises(UserError, match="price"):
        plan.over(Usage(1, 1, None, 1), 0.0)


def test_patience_ends_a_run_that_does_not_get_better(journal: Journal) -> None:
    script = Script([reply(f"k * {0.5 - n / 100}", f"l{n}") for n in range(9)])
    track = discovery(journal, script, patience=3).run()
    assert "no better loss for 3" in track.ended
    assert len(track.rows) == 4


def test_three_candidates_of_which_nothing_is_known_end_the_run_as_a_fault_of_ours(tmp_path: Path) -> None:
    lines = [reply(f"undecidable(k * {n})", f"l{n}") for n in range(5)]
    script = Script([*lines, GOOD[0]])
    with pytest.raises(InfrastructureError, match="three candidates"):
        run(tmp_path / "j", script)
    # The engine is there again: what was asked is not asked again, and the run goes on.
    after = Script([*lines[:3], GOOD[0]], fail_at=-1)
    track = run(tmp_path / "j", after, generations=4)
    assert [row.fate for row in track.rows] == ["undecided"] * 3 + ["measured"]
    assert len(after.keys) == 1


def test_the_best_meets_the_baseline_on_seeds_that_chose_nothing(journal: Journal) -> None:
    judge = FakeJudge()
    track = discovery(journal, Script([GOOD[0]]), judge).run()
    assert track.duel is not None
    assert min(judge.duels) >= 100_000
    found = summary.gain(track.duel, "dpo")
    assert found["seeds"] == 4
    assert 0.09 < float(str(found["low"])) <= float(str(found["mean"])) <= float(str(found["high"])) < 0.12
    told = " ".join(summary.sentences(track, "dpo", "score"))
    assert "above dpo" in told
    assert "95 % interval" in told


def test_the_best_meets_the_best_baseline_too(journal: Journal) -> None:
    track = discovery(journal, Script([GOOD[0]])).run()
    assert track.duel is not None
    assert (track.duel.best, set(track.duel.against)) == ("slic", {"dpo", "slic"}), (
        "slic stands above dpo in the burn-in"
    )
    told = " ".join(summary.sentences(track, "dpo", "score"))
    assert "at least as good as slic, the best baseline: +0.06" in told
    document = summary.document(track, run="run-1", profile="bandit", proposer="script", baseline="dpo")
    assert isinstance(found := document["best_baseline"], dict)
    assert found["name"] == "slic"
    assert 0.05 < float(str(found["low"])) < float(str(found["mean"])) < float(str(found["high"])) < 0.07


def test_where_no_loss_of_the_burn_in_stands_above_the_baseline_it_is_the_best(journal: Journal) -> None:
    track = discovery(journal, Script([GOOD[0]]), burn_in=("dpo",)).run()
    assert track.duel is not None
    assert (track.duel.best, set(track.duel.against)) == ("dpo", {"dpo"})
    assert "dpo, which is the best baseline" in " ".join(summary.sentences(track, "dpo", "score"))


@pytest.mark.parametrize(
    ("own", "words"),
    [((0.7, 0.71, 0.72), "at least as good as"), ((0.5, 0.51, 0.5), "worse than"), ((0.4, 0.8, 0.6), "not told apart")],
)
def test_the_interval_decides_what_is_said_of_the_best_baseline(own: tuple[float, ...], words: str) -> None:
    track = Track(duel=Duel("x", (1, 2, 3), own, {"dpo": (0.1, 0.1, 0.1), "slic": (0.6, 0.6, 0.6)}, "slic"))
    track.archive.add(Known("x", "x", "", 0.7, 0.6, 0.8))
    assert f"It is {words}" in summary.sentences(track, "dpo", "score")[-1]


def test_a_duel_that_an_older_version_began_is_fought_anew(tmp_path: Path) -> None:
    run(tmp_path / "j", Script(GOOD[:1]))
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    for entry in lines:
        if entry["kind"] == "duel":
            entry["baseline"] = entry.pop("against")["dpo"]
    (tmp_path / "j").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    judge = FakeJudge()
    track = run(tmp_path / "j", Script(GOOD[:1]), judge)
    assert len(judge.duels) == 4
    assert track.duel is not None
    assert len(track.duel.seeds) == 4


@pytest.mark.parametrize("point", range(6))
def test_killed_at_any_call_it_goes_on_without_a_second_payment(tmp_path: Path, point: int) -> None:
    lines = ["", GOOD[0], reply("torch.exp(x)", "hot"), GOOD[1], reply("k * 0.25", "same"), GOOD[2]]
    whole = run(tmp_path / "whole", Script(list(lines)), generations=3, tune=True)
    first = Script(list(lines), fail_at=point)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", first, generations=3, tune=True)
    second, judge = Script(list(lines)), FakeJudge()
    track = run(tmp_path / "cut", second, judge, generations=3, tune=True)
    assert [row.entry() for row in track.rows] == [row.entry() for row in whole.rows]
    assert track.archive.digest == whole.archive.digest
    assert len(second.keys) == len(lines) - point, "answered calls are not made again"
    assert second.keys[0] == first.keys[-1], "the call that was cut off has the key that it had"
    assert track.uncertain == 1
    assert not {"dpo", "slic"} & set(judge.judged), "the burn-in is in the journal"


def test_killed_while_judging_the_reply_is_there(tmp_path: Path) -> None:
    first = Script(list(GOOD))
    judge = FakeJudge()
    with Journal(tmp_path / "j") as journal:
        loop = discovery(journal, first, judge)
        judge_one = judge.judge

        def dies_at_two(source: str, name: str, seen: Seen) -> Judged:
            judge.broken = name == "two"
            return judge_one(source, name, seen)

        judge.judge = dies_at_two  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            loop.run()
    second = Script(list(GOOD))
    track = run(tmp_path / "j", second)
    assert [row.name for row in track.rows] == ["one", "two", "three"]
    assert len(second.keys) == 1
    assert track.uncertain == 0


def test_a_run_that_ended_may_be_told_to_go_further(tmp_path: Path) -> None:
    run(tmp_path / "j", Script(GOOD[:1]))
    script, judge = Script(list(GOOD)), FakeJudge()
    track = run(tmp_path / "j", script, judge)
    assert len(track.rows) == 3
    assert len(script.keys) == 2
    again = run(tmp_path / "j", Script(list(GOOD)), judge)
    assert again.archive.digest == track.archive.digest
    assert judge.duels == [100_000, 100_001, 100_002, 100_003], "another best, its own seeds, once"


def test_another_run_is_not_resumed_by_mistake(tmp_path: Path) -> None:
    run(tmp_path / "j", Script(GOOD[:1]))
    with pytest.raises(UserError, match="seed"):
        run(tmp_path / "j", Script(GOOD[:1]), seed=5)


def test_the_same_script_gives_the_same_journal_but_for_times(tmp_path: Path) -> None:
    def read(name: str) -> list[dict[str, object]]:
        run(tmp_path / name, Script(list(GOOD)), tune=True)
        entries = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        return [{key: value for key, value in entry.items() if key not in {"at", "seconds"}} for entry in entries]

    assert read("a") == read("b")


def test_pictures_are_drawn_for_who_takes_them(journal: Journal) -> None:
    script = Script(GOOD[:2], takes_pictures=True)
    loop = discovery(journal, script)
    drawn: list[list[str]] = []

    def draw(losses: Sequence[Known]) -> bytes:
        drawn.append([loss.name for loss in losses])
        return b"png"

    loop.draw = draw
    loop.run()
    assert script.asked[1].picture == b"png"
    assert "one" in drawn[1]


def test_cut_after_any_line_of_its_journal_it_ends_the_same(tmp_path: Path) -> None:
    lines = ["", GOOD[0], GOOD[1]]
    whole = run(tmp_path / "whole", Script(list(lines)), generations=2, tune=True)
    data = (tmp_path / "whole").read_bytes().splitlines(keepends=True)
    steps = [json.loads(line) for line in data]
    kinds = [entry["kind"] for entry in steps]
    assert kinds.count("reply") == 3
    for length in range(len(data)):
        path = tmp_path / f"cut-{length}"
        path.write_bytes(b"".join(data[:length]) + data[length][:7])
        script, judge = Script(list(lines)), FakeJudge()
        track = run(path, script, judge, generations=2, tune=True)
        assert [row.entry() for row in track.rows] == [row.entry() for row in whole.rows]
        assert track.archive.digest == whole.archive.digest
        assert track.duel == whole.duel
        assert len(script.keys) == 3 - kinds[:length].count("reply")
        assert len(judge.judged) == 4 - sum(entry.get("fate") == "measured" for entry in steps[:length])
        assert len(judge.duels) == 4 - kinds[:length].count("duel")
