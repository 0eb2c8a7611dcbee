"""The data of a round: what is answered, how the ranker orders it, which pairs come of it, and who is at fault."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch

from harness.protocol.job import StepError
from harness.trainer.iterate import rounds, steps
from harness.trainer.iterate.rounds import Answered
from harness.trainer.iterate.settings import Settings
from harness.trainer.reviews.embedded import Words

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.trainer.reviews.texts import Tokens

#: Two instructions, three sets of answers: the second instruction's are all equal.
GIVEN = Answered(((1,), (2,)), (((3, 0), (9, 0)), ((4, 5, 0), (9, 0)), ((6, 7, 8, 0), (9, 0))))


class World:
    """Worth is the first token's number, in tenths."""

    def rewards(self, prompts: Tokens, completions: Tokens) -> NDArray[np.float64]:
        del prompts
        return np.array([c[0] / 10.0 for c in completions])


def ranked(taste: float) -> NDArray[np.float64]:
    return rounds.scores(cast("Any", World()), Settings(taste=taste), GIVEN)


def test_the_ranker_is_the_reward_and_its_taste_for_length() -> None:
    assert ranked(0.0)[:, 0].tolist() == [0.3, 0.4, 0.6]
    assert ranked(0.1)[:, 0].tolist() == pytest.approx([0.5, 0.7, 1.0])
    assert ranked(-0.5)[:, 0].tolist() == pytest.approx([-0.7, -1.1, -1.4])


def test_the_best_is_preferred_to_the_worst_and_ties_are_dropped() -> None:
    pairs = rounds.preferred(GIVEN, ranked(0.1), 0.05)
    assert (pairs.prompts, pairs.chosen, pairs.rejected) == (((1,),), ((6, 7, 8, 0),), ((3, 0),))
    assert rounds.longer(pairs) == 1.0
    shorter = rounds.preferred(GIVEN, ranked(-0.5), 0.05)
    assert (shorter.chosen, shorter.rejected) == (((3, 0),), ((6, 7, 8, 0),))
    assert rounds.longer(shorter) == 0.0
    assert len(rounds.preferred(GIVEN, ranked(0.1), 0.6)) == 0
    assert len(rounds.preferred(GIVEN, ranked(0.0) * 0.0, 0.0)) == 0, "equal scores are no preference whatever `tie`"


def test_agreement_is_the_share_of_pairs_that_the_reference_orders_alike() -> None:
    assert rounds.agreement(torch.tensor([-1.0, -2.0, -3.0]), torch.tensor([-2.0, -1.0, -3.0])) == pytest.approx(1 / 3)
    assert rounds.agreement(torch.zeros(0), torch.zeros(0)) == 0.0


@pytest.mark.parametrize(
    ("given", "tie", "why"),
    [
        (Answered((), ((), ())), 0.05, "there are 0 instructions: round 1 gives 0 pairs, and a batch takes 2"),
        (GIVEN, 0.05, "all answers are equal, to 1 of 2 instructions"),
        (replace(GIVEN, answers=(GIVEN.answers[0],) * 2), 0.05, "all answers are equal, to 2 of 2 instructions"),
        (Answered(GIVEN.prompts[:1], tuple(a[:1] for a in GIVEN.answers)), 0.9, "the ranker ties on 1 of 1"),
        (Answered(GIVEN.prompts[:1], tuple(a[:1] for a in GIVEN.answers)), 0.05, "there are 1 instructions: round 1"),
    ],
)
def test_a_round_that_nobody_can_learn_from_is_the_users(given: Answered, tie: float, why: str) -> None:
    settings = Settings(tie=tie, batch=2)
    pairs = rounds.preferred(given, rounds.scores(cast("Any", World()), settings, given), tie)
    with pytest.raises(StepError, match=why) as told:
        rounds.must_do(given, pairs, settings)
    assert told.value.fault == "user"
    assert told.value.remedy
    rounds.must_do(given, rounds.preferred(GIVEN, ranked(0.1), 0.05), Settings(batch=1))


def test_instructions_of_a_file_are_read_whole_or_refused_with_the_line(tmp_path: Path) -> None:
    file, words = tmp_path / "instructions.jsonl", Words()
    right = json.dumps({"prompt": "we saw this western today at home ."})
    file.write_text(f"{right}\n")
    assert [words.decode(t) for t in rounds.read_instructions(file, words)] == ["we saw this western today at home ."]
    for wrong in ("", "{", "[]", "{}", '{"prompt": 3}', '{"prompt": "a word that none has"}', '{"prompt": ""}'):
        file.write_text(f"{right}\n{wrong}\n")
        with pytest.raises(StepError, match="line 2") as told:
            rounds.read_instructions(file, words)
        assert told.value.fault == "user"
    file.write_text(json.dumps({"prompt": "we " * 17}))
    with pytest.raises(StepError, match="17 words"):
        rounds.read_instructions(file, words)
    with pytest.raises(StepError, match="cannot be read"):
        rounds.read_instructions(tmp_path / "none", words)


def test_reward_at_equal_length_takes_the_slope_within_policies() -> None:
    """Two policies of the same worth at the same length, of which one writes longer: nothing is gained."""
    short, long = np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0])
    assert steps.slope((short, 0.1 * short), (long, 0.1 * long)) == pytest.approx(0.1)
    # Apart by worth alone: between them there is no slope.
    assert steps.slope((short, short * 0.0), (long, long * 0.0 + 5.0)) == 0.0
    assert steps.slope((short * 0.0, short), (long * 0.0, long)) == 0.0


@pytest.mark.parametrize(
    "given",
    [
        {"rounds": 0},
        {"answers": 1},
        {"temperature": 0.0},
        {"taste": 2.0},
        {"extrapolate": -0.1},
        {"instructions": "none"},
        {"source": "files"},
        {"betas": (0.5, 1.0)},
        {"precision": "bfloat16"},
        {"alpha": 0.1},
    ],
)
def test_settings_that_make_no_sense_are_the_users_fault(given: dict[str, Any]) -> None:
    with pytest.raises(StepError, match=f"task iterate.*{next(iter(given))}|{next(iter(given))}.*task iterate") as told:
        Settings.of(given)
    assert told.value.fault == "user"


def test_a_file_of_instructions_is_an_input() -> None:
    assert Settings.of({}).declared().inputs == ()
    assert Settings.of({"instructions": "file"}).declared().inputs == ("instructions",)
