"""Tuning without a sandbox: the search, what a trial is worth, what is kept, and that plain candidates cost nothing."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np
import pytest
from ledger_samples import claim, submit

from harness.checks.static import screened_text
from harness.cli.show import document
from harness.core.candidate import Candidate
from harness.core.domain import Domain
from harness.core.errors import InfrastructureError, StoppedError
from harness.core.program import CallPlan, Parameter, Program
from harness.discover import confirmation as duel
from harness.ladder import bandit, tuning
from harness.ladder.evaluations import Tuned, evaluation_with, tuned_of, with_values
from harness.ladder.gate import Gate, GuardRail
from harness.ladder.ladder import load, names
from harness.ladder.tuning import WORST, Search, best_of, is_open, proxy_of, tune, tuning_digest, worth
from harness.ledger.records import Decision
from harness.oracle.oracle import Oracle
from harness.protocol.batch import Answer, Complaint
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.ledger import Ledger
    from harness.ledger.records import Claim
    from harness.protocol.batch import Batch
    from harness.protocol.batch_types import PairBatch

PULL, TAU = Parameter("pull", 0.0, 1.0), Parameter("tau", 0.01, 10.0, log=True)
SMALL = bandit.Settings(contexts=4, arms=4, pairs=128, batch=32, steps=15, betas=(0.5,))
SIGNATURE = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta"
OPEN = f'PARAMS = {{"tau": (0.5, 2.0)}}\n\n\ndef loss({SIGNATURE}, tau):\n    return tau * policy_chosen_logps\n'
TUNED = Tuned({"tau": 0.123456789012345678}, "d" * 64, 16, 0.7, None)


def program(*parameters: Parameter) -> Program:
    plan = CallPlan("loss", "function", ("policy_chosen_logps",), parameters=parameters)
    return Program("", guarded=True, plan=plan, name="loss", source="")


class Held(Oracle):
    """DPO, and a square of the margin that holds it to the reference, as strongly as `pull` says."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.program = program(PULL).at(values)
        self.has_gpu, self.calls = False, 0

    def ask(self, batches: Sequence[Batch], **_: object) -> list[Answer | Complaint]:
        return [self._one(batch) for batch in cast("Sequence[PairBatch]", batches)]

    def fresh(self) -> None:
        pass

    def _one(self, batch: PairBatch) -> Answer:
        pull, rho = self.program.constants["pull"], batch.rho.astype(np.float64)
        x = batch.beta * rho
        values = np.logaddexp(0.0, -x) + pull * rho**2
        slope = (-batch.beta / (1.0 + np.exp(x)) + 2.0 * pull * rho) / batch.pairs
        return Answer((batch.pairs,), np.dtype("<f4"), values.astype("<f4"), (slope, -slope), detached=False)


def learnt(values: Mapping[str, float]) -> float:
    return bandit.measure(PreferenceSubject(Held(values), Domain()), tuning.FIRST_SEED, SMALL)["score"]


def toy(values: Mapping[str, float]) -> float:
    return -abs(math.log(values["tau"]) - 1.0) - (values["pull"] - 0.3) ** 2


def run(trials: int, known: Sequence[Any] = (), seed: int = 5) -> tuple[list[Any], list[int]]:
    kept: list[int] = []
    made = tune(Search((TAU, PULL), seed), known, toy, lambda number, _: kept.append(number), trials)
    return made, kept


def test_tuning_finds_better_than_the_middle_where_it_matters() -> None:
    made = tune(Search((PULL,), 3), (), learnt, lambda *_: None, 8)
    found = best_of(made, "t")
    assert made[0][0] == {"pull": 0.5}, "the middle is tried first"
    assert found.middle == made[0][1]
    assert found.score is not None
    assert found.score > made[0][1] + 0.05
    assert found.values["pull"] < 0.5


def test_the_same_seed_gives_the_same_trials_and_another_gives_others() -> None:
    first = run(10)[0]
    assert run(10)[0] == first
    assert run(10, seed=6)[0][1:] != first[1:]
    assert all(TAU.low <= values["tau"] <= TAU.high and 0.0 <= values["pull"] <= 1.0 for values, _ in first)


@pytest.mark.parametrize("stopped", [0, 1, 4, 9, 10])
def test_an_interrupted_search_goes_on_to_the_bit_and_measures_nothing_twice(stopped: int) -> None:
    whole = run(10)[0]
    again, kept = run(10, whole[:stopped])
    assert again == whole
    assert kept == list(range(stopped, 10))


def test_trials_of_another_search_are_made_anew() -> None:
    whole = run(10)[0]
    foreign = [*whole[:3], ({"tau": 1.0, "pull": 0.25}, 99.0), *whole[4:]]
    again, kept = run(10, foreign)
    assert again == whole
    assert kept == list(range(3, 10))


GATE = Gate("score", 0.5, 0.05, (2,), rails=(GuardRail("kl", most=4.0), GuardRail("finite", least=1.0)))


@pytest.mark.parametrize(
    ("second", "value"),
    [
        ({"score": 0.4, "kl": 1.0, "finite": 1.0}, 0.5),
        ({"score": 0.9, "kl": 4.1, "finite": 1.0}, WORST),
        ({"score": 0.9, "kl": 1.0, "finite": 0.5}, WORST),
        ({"score": 0.9, "kl": math.nan, "finite": 1.0}, WORST),
        ({"score": math.nan, "kl": 1.0, "finite": 1.0}, WORST),
        ({"kl": 1.0, "finite": 1.0}, WORST),
    ],
)
def test_a_trial_is_worth_its_score_within_the_rails(second: dict[str, float], value: float) -> None:
    good = {"score": 0.6, "kl": 1.0, "finite": 1.0}
    assert worth(GATE, {0: good, 1: second}) == pytest.approx(value)


def test_where_all_fall_apart_the_middle_stands() -> None:
    found = best_of([({"tau": 1.0}, WORST), ({"tau": 2.0}, WORST)], "t")
    assert (found.values, found.score, found.middle) == ({"tau": 1.0}, None, None)


def test_the_seeds_of_the_tuning_are_nobody_elses() -> None:
    judging = {
        seed for name in names() for plan in load(name).rungs if plan.gate for seed in range(plan.gate.looks[-1])
    }
    judging |= set(range(duel.FIRST_SEED, duel.FIRST_SEED + 10_000))
    assert tuning.SEEDS
    assert not judging & set(tuning.SEEDS)
    tasks = [bandit.draw_task(SMALL, 0.0, seed).rewards for seed in (0, *tuning.SEEDS)]
    assert len({task.tobytes() for task in tasks}) == len(tasks)


@pytest.mark.parametrize("name", names())
def test_every_ladder_tunes_on_a_bandit(name: str) -> None:
    settings, gate = proxy_of(load(name))
    assert settings == bandit.Settings()
    assert gate.metric == "score"
    assert {rail.metric for rail in gate.rails} == {"finite", "kl"}


def test_the_digest_of_a_tuning_covers_what_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = load("bandit")
    found = {tuning_digest(ladder, image, sampler) for image in ("a", "b") for sampler in ("x 1", "x 2")}
    for name, value in (("TRIALS", 17), ("SEEDS", (tuning.FIRST_SEED,))):
        with monkeypatch.context() as patch:
            patch.setattr(tuning, name, value)
            found.add(tuning_digest(ladder, "a", "x 1"))
    assert len(found) == 6


def test_a_candidate_without_parameters_costs_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    plain = screened_text(
        Candidate("loss.py", f"def loss({SIGNATURE}): return beta * policy_chosen_logps".encode(), "x")
    )
    assert plain.program is not None
    assert not is_open(plain)
    assert evaluation_with("e" * 64, plain.program) == evaluation_with("e" * 64, None) == "e" * 64
    assert with_values(plain.program, None) == plain.program
    with pytest.raises(InfrastructureError, match="Optuna") as error:
        Search((TAU,), 0)
    assert "discover" in error.value.remedy


def test_an_evaluation_knows_the_values_that_were_chosen() -> None:
    first = program(TAU)
    found = {evaluation_with("e", each) for each in (first, first.at({"tau": 1.0}), first.at({"tau": 2.0}))}
    assert len(found) == 3
    assert evaluation_with("e", first.at({"tau": 1.0})) == evaluation_with("e", replace(first, chosen=(("tau", 1.0),)))


def test_what_was_tuned_is_in_the_ledger_once_and_to_the_bit(ledger: Ledger) -> None:
    (number,) = submit(ledger)
    held = claim(ledger)
    assert tuned_of(ledger.events(number)) is None
    assert "tuned" not in document(ledger, ledger.run(number))
    for _ in range(2):  # a write that arrived although nobody was told is made again
        ledger.note(held, "tuned", TUNED.as_detail())
    events = ledger.events(number)
    assert [event.kind for event in events].count("tuned") == 1
    assert tuned_of(events) == tuned_of(events, "d" * 64) == TUNED
    assert tuned_of(events, "e" * 64) is None, "found in another way"
    assert document(ledger, ledger.run(number))["tuned"] == TUNED.as_detail()
    ledger.note(held, "tuned", replace(TUNED, tuning="e" * 64, values={"tau": 0.5}).as_detail())
    assert tuned_of(ledger.events(number)).values == {"tau": 0.5}  # type: ignore[union-attr]
    assert "0.123457 after 16 trials: 0.7" in TUNED.told()


def test_a_duel_is_fought_with_the_values_of_the_run_that_answered(ledger: Ledger) -> None:
    submit(ledger, range(2))
    held = claim(ledger)
    ladder = replace(load("bandit"), digest="d" * 64)  # the ladder that the samples were submitted for
    tuned = replace(TUNED, values={"tau": 1.5, "elsewhere": 3.0})
    ledger.note(held, "tuned", tuned.as_detail())
    own = duel.tuned_for(ledger, ladder, held.run.candidate, OPEN)
    assert own == tuned
    assert duel.tuned_for(ledger, ladder, "f" * 64, OPEN) is None
    plain = f"def loss({SIGNATURE}):\n    return beta * policy_chosen_logps\n"
    assert duel.tuned_for(ledger, ladder, held.run.candidate, plain) is None
    one = screened_text(Candidate("loss.py", OPEN.encode(), "x")).program
    assert one is not None
    assert with_values(one, own).constants == {"tau": 1.5}


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """The values that were measured; five trials are made, and the larger the value the better."""
    values: list[dict[str, float]] = []

    def measured(self: tuning.Tuning, one: Any) -> float:
        del self
        values.append(one.program.constants)
        return float(one.program.constants["tau"])

    monkeypatch.setattr(tuning, "TRIALS", 5)
    monkeypatch.setattr(tuning.Tuning, "_measured", measured)
    return values


def not_asked(*_: object) -> NoReturn:
    pytest.fail("this was asked")


def promote(_: object) -> Decision:
    return Decision("promote", "accepted")


def tuned_by(
    ledger: Ledger, held: Claim, image: str = "image", stopping: Callable[[], bool] = lambda: False
) -> tuning.Tuning:
    context: Any = SimpleNamespace(ladder=load("bandit"), ledger=ledger, image=image, stopping=stopping)
    return tuning.Tuning(context, held, {})


def test_what_falls_at_its_tuned_values_is_rejected_and_settles_nothing(ledger: Ledger, tried: list[Any]) -> None:
    (number,) = submit(ledger)
    own = tuned_by(ledger, claim(ledger))
    one = screened_text(Candidate("loss.py", OPEN.encode(), "ab" * 32))
    assert is_open(one)
    asked: list[dict[str, float]] = []

    def refuse(chosen: Any) -> Decision:
        asked.append(chosen.program.constants)
        return Decision("reject", "P302 NaN")

    _, fallen = own.settled(one, refuse, lambda *_: None)
    assert fallen == Decision("reject", "P302 NaN")
    assert asked == [max(tried, key=lambda values: values["tau"])]
    assert tuned_of(ledger.events(number)) is None


def test_a_stopped_tuning_goes_on_and_a_settled_one_is_not_made_again(ledger: Ledger, tried: list[Any]) -> None:
    (number,) = submit(ledger)
    held, stop = claim(ledger), [2]
    own = tuned_by(ledger, held, stopping=lambda: len(tried) == stop[0])
    one = screened_text(Candidate("loss.py", OPEN.encode(), "ab" * 32))
    with pytest.raises(StoppedError):
        own.settled(one, not_asked, lambda *_: None)
    stop[0] = -1
    told: list[int] = []
    chosen, fallen = own.settled(one, promote, lambda done, *_: told.append(done))
    assert (fallen, len(tried), told) == (None, 5, [3, 4, 5])
    assert chosen.program is not None
    assert chosen.program.constants == max(tried, key=lambda values: values["tau"])
    again, _ = own.settled(one, not_asked, not_asked)
    assert again.program == chosen.program
    assert len(tried) == 5
    assert not is_open(chosen)
    assert [event.kind for event in ledger.events(number)].count("tuned") == 1
    # On another image everything is measured anew, and the earlier trials stay what they are.
    other = tuned_by(ledger, held, image="other")
    other.settled(one, promote, lambda *_: None)
    assert len(tried) == 10
    assert len(ledger.scores(number)) == 2
