"""The rung at which a judge decides: answers and endpoint made here, everything between them real."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import InfrastructureError, StoppedError
from harness.ladder import judge_rung
from harness.ladder.gate import Gate, GuardRail
from harness.ladder.judge_sets import Sampling, question_lines, read_answers
from harness.ladder.judge_settings import AT_EQUAL_LENGTH, PREFERENCE
from harness.ladder.plan import Ladder, RungPlan
from harness.llm_judge.questions import AskedQuestion

sys.path.insert(0, str(Path(__file__).parent.parent / "llm_judge"))
try:
    from judging_server import Server, completion, serving
finally:
    sys.path.pop(0)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.ledger.records import Decision

PROMPTS = 24
NAMES = [f"q{number}" for number in range(PROMPTS)]
#: A word that the judge of most tests likes, and the like of it that it does not.
GOOD, BAD = "honey", "mould"


def prefers(like: Callable[[str], float]) -> Callable[[dict[str, Any]], Any]:
    """A judge with a taste."""

    def says(body: dict[str, Any]) -> Any:
        user = body["messages"][-1]["content"]
        found = [re.search(rf"answer {x} begins (\w+)\n(.*)\n<<< answer {x} ends \1", user, re.DOTALL) for x in "AB"]
        one, other = (like(each[2]) for each in found if each is not None)
        return "I see.\n[[C]]" if one == other else "I see.\n[[A]]" if one > other else "I see.\n[[B]]"

    return says


QUALITY = prefers(lambda text: text.count(GOOD))
LENGTH = prefers(len)


class Weights:
    """Folders of weights by the key of their training, which is their address too."""

    def __init__(self, folder: Path, there: Sequence[str]) -> None:
        self.folder, self.there = folder, set(there)

    def of_training(self, key: str) -> Path | None:
        place = self.folder / key / "files"
        if key in self.there:
            place.mkdir(parents=True, exist_ok=True)
        return place if key in self.there else None


class Trainings:
    """Answers by the name of the weights' folder."""

    def __init__(self, weights: Weights, inputs: Mapping[str, Path], answers: Mapping[str, Sequence[str]]) -> None:
        self.weights, self._inputs, self._answers = weights, inputs, answers
        self.asked: list[str] = []

    def inputs(self, _: RungPlan) -> Mapping[str, Path]:
        return self._inputs

    def key(self, _: RungPlan, seed: int, name: str) -> str:
        return f"{name.partition('/')[0]}-{seed}"

    def answer(self, _: RungPlan, __: int, questions: bytes, weights: Path | None, ___: object) -> bytes:
        whose = "start" if weights is None else weights.parent.name
        self.asked.append(whose)
        rows = [json.loads(line) for line in questions.splitlines()]
        given = dict(zip(NAMES, self._answers[whose], strict=True))
        lines = [
            {"id": r["id"], "turns": [given[r["id"]]] * len(r["turns"]), "ended": [True] * len(r["turns"])}
            for r in rows
        ]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()


class World:
    """A run at a judge's rung, and what is left of it."""

    def __init__(self, folder: Path, ours: Sequence[str], theirs: Sequence[str], start: Sequence[str] = ()) -> None:
        self.folder = folder
        self.documents: dict[str, bytes] = {}
        self.scores: dict[str, float] = {}
        self.told: list[str] = []
        self.trained: list[str] = []
        self.replies: Path | None = None
        self.below: dict[str, str] | None = None
        self.noted: list[tuple[str, dict[str, Any]]] = []
        self.stopping: Callable[[], bool] = lambda: False
        self.settings: dict[str, Any] = {"rung": "fine-tune", "judge": "judge-1", "answer": 64}
        self.gate = Gate(PREFERENCE, 0.0, 0.1, (8, PROMPTS), "reject", (), "dpo")
        self.questions: list[dict[str, Any]] = [{"prompt": f"tell me {name}", "id": name} for name in NAMES]
        self.inputs = {"questions": folder / "questions.jsonl"}
        self.there = ["candidate-0", "dpo-0"]
        self.answers = {"candidate-0": ours, "dpo-0": theirs, "start": start}

    def decide(self) -> Decision:
        lines = "".join(json.dumps(row) + "\n" for row in self.questions)
        (self.folder / "questions.jsonl").write_text(lines, "utf-8")
        (self.folder / "weights").mkdir(exist_ok=True)
        tuned = RungPlan("fine-tune", "finetune", "cpu", "dpo", (), None, ask_a_person=False)
        plan = RungPlan("judge", "judge", "cpu", "dpo", tuple(self.settings.items()), self.gate, ask_a_person=False)
        ladder = Ladder("stage", "2026-12-01", "2026.2", (tuned, plan), "0" * 64)
        weights = Weights(self.folder / "weights", self.there)
        self.trainings = Trainings(weights, self.inputs, self.answers)

        @contextmanager
        def measuring(_: RungPlan, one: Any, __: object) -> Iterator[Callable[..., None]]:
            def measure(seed: int, _: object) -> None:
                self.trained.append(f"{one.sha256}-{seed}")
                weights.there.add(f"{one.sha256}-{seed}")

            yield measure

        context: Any = SimpleNamespace(
            ladder=ladder,
            folder=self.folder,
            replies=self.replies,
            checker=SimpleNamespace(screen=lambda _: SimpleNamespace(sha256="dpo")),
            trainings=lambda _: self.trainings,
            evaluation=lambda *_: "evaluation",
            measuring=measuring,
            tell=lambda *_: None,
            watch=lambda progress: self.told.append(progress.told) if progress.told else None,
            stopping=self.stopping,
            ledger=SimpleNamespace(
                documents=self._documents,
                note=lambda _, kind, detail: self.noted.append((kind, detail)),
                attach=lambda _, __, name, data: self.documents.update({name: data}),
                save_scores=lambda _, __, scores: self.scores.update({s.metric: s.value for s in scores}),
            ),
        )
        one: Any = SimpleNamespace(sha256="candidate")
        held: Any = SimpleNamespace(attempt=1, run=SimpleNamespace(id=1))
        return judge_rung.judged(context, held, plan, one, {})

    def _documents(self, run: int, name: str) -> list[tuple[Any, bytes]]:
        assert (run, name) == (1, "files-0.json")
        data = json.dumps({"weights": self.below}).encode()
        return [(SimpleNamespace(rung="fine-tune"), data)] if self.below is not None else []


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("OPENAI_") or n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@contextmanager
def asking(monkeypatch: pytest.MonkeyPatch, says: Callable[[dict[str, Any]], Any] = QUALITY) -> Iterator[Server]:
    with serving(says) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def padded(word: str, lengths: Sequence[int]) -> list[str]:
    return [f"{word} " + "x" * length for length in lengths]


MIXED = [(7 * number) % 40 for number in range(PROMPTS)]
EVEN = [20] * PROMPTS


def test_a_better_model_is_promoted_and_the_sentence_tells_lengths_and_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings |= {"price_in": 1e4, "price_out": 1e4}
    with asking(monkeypatch) as server:
        decision = world.decide()
    assert decision.decision == "promote", decision.reason
    assert "8 prompts of one trained model" in decision.reason
    for words in ("win rate at equal length", "length ratio", "16 calls of judge-1", "1760 tokens, 17.60 dollars"):
        assert words in decision.reason
    assert len(server.heard) == 16, "what the first look decides is not asked on"
    assert world.scores[PREFERENCE] == 1.0
    assert decision.detail["dollars"] == pytest.approx(17.6)
    assert json.loads(world.documents["baseline-0.json"])["win_rate"] == 0.5
    kept = json.loads(world.documents["judgement-0.json"])
    assert len(kept["effects"]) == 8
    assert kept["weights"] == decision.detail["weights"] == {"candidate": "candidate-0", "baseline": "dpo-0"}
    assert len(world.documents["answers-0-candidate-0.jsonl"].splitlines()) == PROMPTS


def test_a_taste_for_length_promotes_by_preference_and_not_at_equal_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = [20 + (11 if number % 6 else -9) for number in range(PROMPTS)]
    decisions = {}
    for metric in (PREFERENCE, AT_EQUAL_LENGTH):
        (tmp_path / metric).mkdir()
        world = World(tmp_path / metric, padded(BAD, longer), padded(BAD, EVEN))
        world.gate = Gate(metric, 0.0, 0.1, (PROMPTS,), "reject", (), "dpo")
        with asking(monkeypatch, LENGTH):
            decisions[metric] = world.decide()
    assert decisions[PREFERENCE].decision == "promote"
    assert decisions[AT_EQUAL_LENGTH].decision == "reject"
    assert "prompts, in twos where they differ in length" in decisions[AT_EQUAL_LENGTH].reason


def test_better_and_longer_is_promoted_at_equal_length_where_it_is_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.gate = Gate(AT_EQUAL_LENGTH, 0.0, 0.1, (8, PROMPTS), "reject", (), "dpo")
    with asking(monkeypatch):
        assert world.decide().decision == "promote"
    assert world.scores[AT_EQUAL_LENGTH] == pytest.approx(1.0)


def test_where_every_answer_is_longer_no_win_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for metric, expected in ((PREFERENCE, "promote"), (AT_EQUAL_LENGTH, "reject")):
        (tmp_path / metric).mkdir()
        world = World(tmp_path / metric, padded(GOOD, [40] * PROMPTS), padded(BAD, EVEN))
        world.gate = Gate(metric, 0.0, 0.1, (PROMPTS,), "reject", (), "dpo")
        with asking(monkeypatch):
            assert world.decide().decision == expected
    assert (world.scores[PREFERENCE], world.scores[AT_EQUAL_LENGTH]) == (1.0, 0.0)


def test_what_was_lost_at_length_counts_though_it_has_no_partner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [number % 2 == 0 for number in range(PROMPTS)]
    ours = [padded(BAD, [300])[0] if bad else padded(f"{GOOD} {GOOD}", [2])[0] for bad in lost]
    world = World(tmp_path, ours, padded(GOOD, EVEN))
    world.gate = Gate(AT_EQUAL_LENGTH, 0.0, 0.1, (PROMPTS,), "reject", (), "dpo")
    with asking(monkeypatch):
        assert world.decide().decision == "reject"
    assert world.scores[AT_EQUAL_LENGTH] == pytest.approx(0.0, abs=0.05)


def test_the_order_of_the_file_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets lie in order of category: a third of the prompts is won, and comes first."""
    ours = padded(GOOD, EVEN[:8]) + padded(BAD, EVEN[8:])
    theirs = padded(BAD, EVEN[:8]) + padded(GOOD, EVEN[8:])
    world = World(tmp_path, ours, theirs)
    with asking(monkeypatch):
        decision = world.decide()
    assert decision.decision == "reject"
    assert world.scores[PREFERENCE] < 0.0


def test_a_rail_on_lengths_stops_before_anybody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(GOOD, [200] * PROMPTS), padded(BAD, EVEN))
    world.gate = Gate(PREFERENCE, 0.0, 0.1, (PROMPTS,), "reject", (GuardRail("length_ratio", most=1.5),), "dpo")
    with asking(monkeypatch) as server:
        decision = world.decide()
    assert decision.decision == "reject"
    assert "length_ratio" in decision.reason
    assert server.heard == []
    assert world.documents["answers-0-candidate-0.jsonl"]


def test_a_rail_on_what_the_judge_says_stops_what_would_be_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.gate = Gate(PREFERENCE, 0.0, 0.1, (PROMPTS,), "reject", (GuardRail("win_rate", most=0.9),), "dpo")
    with asking(monkeypatch):
        decision = world.decide()
    assert (decision.decision, decision.detail["rail"]) == ("reject", "win_rate")


def test_what_was_asked_is_not_asked_again_and_follows_from_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    with asking(monkeypatch) as server:
        first = world.decide()
        asked = len(server.heard)
        assert world.decide() == first
        assert len(server.heard) == asked
    monkeypatch.delenv("OPENAI_BASE_URL")
    (tmp_path / "again").mkdir()
    again = World(tmp_path / "again", padded(GOOD, MIXED), padded(BAD, EVEN))
    again.replies = tmp_path / "replies"
    (again.replies / "judge").mkdir(parents=True)
    (again.replies / "judge" / "candidate.jsonl").write_bytes(world.documents["calls-0-candidate-0.jsonl"])
    assert again.decide() == first
    assert again.documents == world.documents
    assert again.scores == world.scores
    # Other answers were not judged then, and nobody is asked now.
    other = World(tmp_path / "again", padded(GOOD, MIXED[::-1]), padded(BAD, EVEN))
    other.replies = again.replies
    with asking(monkeypatch) as server, pytest.raises(InfrastructureError, match="no reply"):
        other.decide()
    assert server.heard == []


def test_a_judge_that_stops_half_way_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings["workers"] = 1
    with asking(monkeypatch) as server:
        server.faults.extend(["", "", "", "", "refused"])
        with pytest.raises(InfrastructureError, match="context length"):
            world.decide()
        assert not world.scores, "nothing half-done is taken for a result"
        server.heard.clear()
        assert world.decide().decision == "promote"
        assert len(server.heard) == 16 - 4


def test_a_judge_that_answers_nonsense_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    with asking(monkeypatch, lambda _: "who knows"), pytest.raises(InfrastructureError, match="nonsense"):
        world.decide()
    assert not world.scores


def test_prompts_without_a_readable_verdict_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(body: dict[str, Any]) -> Any:
        told = QUALITY(body)
        return completion("no") if "tell me q3\n" in body["messages"][-1]["content"] else told

    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.gate = Gate(PREFERENCE, 0.9, 0.001, (PROMPTS,), "reject", (), "dpo")
    with asking(monkeypatch, says):
        decision = world.decide()
    assert world.scores["excluded"] == pytest.approx(1 / PROMPTS)
    assert world.scores[PREFERENCE] == pytest.approx(1.0 - 2.0 / PROMPTS), "it counts as lost"
    assert f"{PROMPTS} prompts" in decision.reason


def test_one_that_babbles_is_one_of_all_and_not_of_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def says(body: dict[str, Any]) -> Any:
        told = QUALITY(body)
        return completion("no") if "tell me q0\n" in body["messages"][-1]["content"] else told

    for looks in ((2, PROMPTS), (4, PROMPTS), (8, PROMPTS), (PROMPTS,)):
        (tmp_path / str(looks)).mkdir()
        world = World(tmp_path / str(looks), padded(GOOD, MIXED), padded(BAD, EVEN))
        world.gate = Gate(PREFERENCE, 0.9, 0.001, looks, "reject", (), "dpo")
        with asking(monkeypatch, says):
            world.decide()


def test_told_to_stop_nobody_is_asked_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings["workers"] = 1
    with asking(monkeypatch) as server:
        world.stopping = lambda: len(server.heard) >= 3
        with pytest.raises(StoppedError):
            world.decide()
        assert len(server.heard) == 3
        world.stopping = lambda: False
        world.decide()
        assert len(server.heard) == 16


def test_a_rail_whose_metric_could_not_be_measured_lets_nobody_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    rail = GuardRail("win_rate_at_equal_length", least=0.4)
    world.gate = Gate(PREFERENCE, 0.9, 0.5, (2, 3), "promote", (rail,), "dpo")
    with asking(monkeypatch), pytest.raises(InfrastructureError, match="could not measure win_rate_at_equal_length"):
        world.decide()
    assert not world.scores


def test_a_run_in_which_nobody_was_asked_follows_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(BAD, EVEN), padded(BAD, EVEN))
    world.gate = Gate(PREFERENCE, 0.9, 0.1, (8, PROMPTS), "reject", (), "dpo")
    with asking(monkeypatch) as server:
        first = world.decide()
    assert server.heard == []
    (tmp_path / "again").mkdir()
    again = World(tmp_path / "again", padded(BAD, EVEN), padded(BAD, EVEN))
    again.gate, again.replies = world.gate, tmp_path / "replies"
    assert again.decide() == first
    assert again.documents == world.documents


def test_weights_that_are_others_than_the_record_below_names_are_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.below = {"weights.safetensors": "0" * 64}
    with asking(monkeypatch):
        world.decide()
    ((kind, detail),) = world.noted
    assert kind == "trained-again-to-others"
    assert detail["judged"] == "candidate-0"


def test_a_budget_that_is_spent_ends_it_with_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings["budget_tokens"] = 5000.0
    with asking(monkeypatch) as server, pytest.raises(InfrastructureError, match="budget is spent") as raised:
        world.decide()
    assert "raise the budget" in raised.value.remedy
    assert len(server.heard) < 16


def test_nobody_to_ask_is_told(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="no reply"):
        World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN)).decide()


def test_weights_that_are_gone_are_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.there = ["candidate-0"]
    with asking(monkeypatch):
        assert world.decide().decision == "promote"
    assert world.trained == ["dpo-0"]
    assert any("trained again" in told for told in world.told)


def test_against_the_start_it_is_how_much_more_than_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = padded(f"{GOOD} {BAD}", EVEN)
    world = World(tmp_path, padded(f"{GOOD} {GOOD}", MIXED), padded(BAD, EVEN), start)
    world.settings["against"] = "start"
    with asking(monkeypatch) as server:
        decision = world.decide()
    assert decision.decision == "promote"
    assert world.trainings.asked == ["candidate-0", "dpo-0", "start"]
    assert (world.scores["win_rate"], world.scores[PREFERENCE]) == (1.0, 1.0)
    base = json.loads(world.documents["baseline-0.json"])
    assert base["win_rate"] == 0.0
    assert len(server.heard) == 32
    assert world.documents["calls-0-baseline-0.jsonl"]


def test_the_baseline_is_judged_once_for_all_candidates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = padded(f"{GOOD} {BAD}", EVEN)
    with asking(monkeypatch) as server:
        for ours in (padded(f"{GOOD} {GOOD}", MIXED), padded(f"{GOOD} {GOOD} {GOOD}", MIXED)):
            world = World(tmp_path, ours, padded(BAD, EVEN), start)
            world.settings["against"] = "start"
            world.decide()
    assert len(server.heard) == 3 * 16


def test_somebodys_answers_in_a_file_are_what_both_are_held_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings["against"] = "outputs"
    with pytest.raises(InfrastructureError, match="somebody else"):
        world.decide()
    for row in world.questions:
        row["answer"] = "a person said this"
    with asking(monkeypatch):
        assert world.decide().decision == "promote"
    assert world.scores["win_rate"] == 1.0


PROMPT = {
    "type": "single",
    "system_prompt": "You rate.",
    "output_format": "[[rating]]",
    "prompt_template": "[Question]\n{question}\n[The Start of Answer]\n{answer}\n[The End of Answer]",
}
SECOND = PROMPT | {"prompt_template": "{question_1}\n{answer_1}\n{question_2}\n[Start]\n{answer_2}\n[End]"}


def rates(body: dict[str, Any]) -> str:
    asked = body["messages"][-1]["content"]
    return f"Fine.\nRating: [[{9 if GOOD in asked else 3}]]"


def test_scores_by_category_are_held_against_those_of_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings |= {"form": "scores", "by_category": 1}
    kinds = ("writing", "stem", "not so/usual")
    world.questions = [
        {"question_id": n, "category": kinds[k % 3], "turns": ["one", "two"]} for k, n in enumerate(NAMES)
    ]
    prompts = [{"name": "single-v1", **PROMPT}, {"name": "single-v1-multi-turn", **SECOND}]
    world.inputs["prompts"] = tmp_path / "prompts.jsonl"
    world.inputs["prompts"].write_text("".join(json.dumps(one) + "\n" for one in prompts), "utf-8")
    with asking(monkeypatch, rates):
        decision = world.decide()
    assert decision.decision == "promote"
    odd = next(name for name in world.scores if name.startswith("score.not_so_usual_"))
    assert world.scores["score"] == world.scores["score.stem"] == world.scores[odd] == 9.0
    assert world.scores[PREFERENCE] == pytest.approx(6 / 9)
    assert json.loads(world.documents["baseline-0.json"])["score_turn_2"] == 3.0
    assert "score 9.00" in decision.reason
    world.questions[0]["category"] = "math"
    with pytest.raises(InfrastructureError, match=r"single-math-v1|reference"):
        world.decide()


def test_verdicts_of_five_words_count_much_better_three_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strong = {"[[A]]": "[[A>>B]]", "[[B]]": "[[B>A]]", "[[C]]": "[[A=B]]"}

    def says(body: dict[str, Any]) -> str:
        told = QUALITY(body)
        return str(told[:-5] + strong[told[-5:]])

    world = World(tmp_path, padded(GOOD, MIXED), padded(BAD, EVEN))
    world.settings |= {"form": "arena"}
    with asking(monkeypatch, says):
        assert world.decide().decision == "promote"
    # Much better where it came first, better where it came second: (1 + 1/3) / 2.
    assert world.scores[PREFERENCE] == pytest.approx(2 / 3)
    assert 0.5 < world.scores["win_rate_at_equal_style"] <= 1.0
    (tmp_path / "other").mkdir()
    three = World(tmp_path / "other", padded(GOOD, MIXED), padded(BAD, EVEN))
    three.settings |= {"form": "arena"}
    with asking(monkeypatch, QUALITY), pytest.raises(InfrastructureError, match="nonsense"):
        three.decide()


ASKED = [AskedQuestion("a", ("one",)), AskedQuestion("b", ("one", "two"))]
WHOLE = '{"id": "a", "turns": ["x"], "ended": [true]}\n{"id": "b", "turns": ["x", "y"], "ended": [true, false]}\n'


@pytest.mark.parametrize(
    "lines",
    [
        "",
        WHOLE.splitlines()[0],
        WHOLE.replace('["x", "y"]', '["x"]'),
        WHOLE.replace('"b"', '"c"'),
        WHOLE + WHOLE.splitlines()[0].replace('"a"', '"z"'),
        WHOLE[:-9],
        WHOLE.replace('"ended": [true], ', "").replace(', "ended": [true]', ""),
        "[" * 100_000,
        "\udcff",
    ],
)
def test_answers_that_are_not_what_was_asked_for_are_a_fault_of_ours(lines: str) -> None:
    assert read_answers(WHOLE.encode(), ASKED, "x").ended == pytest.approx(2 / 3)
    with pytest.raises(InfrastructureError, match="cannot be read"):
        read_answers(lines.encode("utf-8", "surrogateescape"), ASKED, "x")


def test_questions_have_the_published_temperatures_of_their_categories() -> None:
    asked = [AskedQuestion("a", ("x",), category) for category in ("math", "writing", "stem", "unheard of")]
    rows = [json.loads(line) for line in question_lines(asked, Sampling(8, 0.3, by_category=True)).splitlines()]
    assert [row["temperature"] for row in rows] == [0.0, 0.7, 0.1, 0.7]
    rows = [json.loads(line) for line in question_lines(asked, Sampling(8, 0.3)).splitlines()]
    assert {row["temperature"] for row in rows} == {0.3}


def test_documents_are_parts_that_a_ledger_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_rung, "MOST_BYTES", 10)
    kept: dict[str, bytes] = {}
    judge_rung._in_parts(lambda name, data: kept.update({name: data}), "calls-0-candidate", b"12345\n6789\nabcde\n")
    assert kept == {"calls-0-candidate-0.jsonl": b"12345\n", "calls-0-candidate-1.jsonl": b"6789\n"} | {
        "calls-0-candidate-2.jsonl": b"abcde\n"
    }
