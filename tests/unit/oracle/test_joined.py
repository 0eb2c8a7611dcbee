"""Joined questions get the answers that each has by itself, and a loss that answers otherwise in company is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from answering import DPO
from in_process import InProcess, oracle_of

from harness.core.contract import PREFERENCE
from harness.oracle.joined import ROWS, SIZES, Joined, NotAlikeError, _numbers_near
from harness.protocol.batch import Answer
from harness.protocol.batch_types import PairBatch
from harness.subject.realistic import realistic

BATCHES = [realistic(seed, 1 + seed * 7 % 90) for seed in range(40)]
BATCHES += [batch.astype(np.float64) for batch in BATCHES[:12]]

LOSS = """
import torch
import torch.nn.functional as F

def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta{more}):
    z = beta * ((policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps))
    n = z.shape[0]
    {body}
"""
#: What is like DPO until it is asked in company: each is none that the screen would call pointwise.
OTHERWISE = {
    "in large batches": "return -F.logsigmoid(z if n < 400 else -z)",
    "in large batches, by its gradient": "return -F.logsigmoid(z if n < 400 else z.detach() - (z - z.detach()))",
    "in large batches, by a little": "return -F.logsigmoid(z) + (0.001 if n > 300 else 0.0)",
    "in batches of 64": "return -F.logsigmoid(z if n != 64 else -z)",
    "alone": "return -F.logsigmoid(z if n > 1 else -z)",
    "by the others' mean": "return -F.logsigmoid(z - 0.01 * (z.mean() - z))",
    "by the first row": "return -F.logsigmoid(z + 0.01 * z[0])",
    "by an even or odd size": "return -F.logsigmoid(z * (1 + n % 2))",
    "as one value": "return -F.logsigmoid(z).mean()",
    "by an exception": "return -F.logsigmoid(z if n < 400 else z[:, None].sum(3))",
    "by what is not finite": "return -F.logsigmoid(z) + (0.0 if n < 400 else torch.where(z > 0, 0.0, float('nan')))",
    "by the call": "K.append(n); return -F.logsigmoid(z * (1 + len(K) % 2))",
    "by a kind of answer": "return (-F.logsigmoid(z)).double() if n > 400 else -F.logsigmoid(z)",
    "without a gradient": "return -F.logsigmoid(z if n < 400 else z.detach())",
}


def asked(oracle: InProcess, batches: list[PairBatch]) -> list[Answer]:
    joined = Joined(oracle)
    plan = joined.plan(batches)
    came = joined.ask(plan)
    joined.count(plan)
    answers = joined.take(plan, came)
    assert all(isinstance(a, Answer) for a in answers)
    return [a for a in answers if isinstance(a, Answer)]


def same_numbers(count: int, rows: int) -> list[PairBatch]:
    """Batches of one beta and one progress, which can be asked as one."""
    first = realistic(0, rows)
    return [PairBatch.of(realistic(seed, rows).tensors, first.beta, first.progress) for seed in range(count)]


def test_each_gets_the_answer_that_it_has_alone() -> None:
    oracle = oracle_of(DPO)
    for batch, answer in zip(BATCHES, asked(oracle, BATCHES), strict=True):
        alone = oracle_of(DPO).answer(batch)
        assert (answer.shape, answer.dtype, answer.detached) == (alone.shape, alone.dtype, alone.detached)
        assert _numbers_near(alone.values, answer.values)
        assert all(_numbers_near(a, b) for a, b in zip(alone.gradients, answer.gradients, strict=True))


def test_fewer_calls_and_yet_each_batch_counts() -> None:
    oracle, batches = oracle_of(DPO), same_numbers(200, 5)
    asked(oracle, batches)
    assert len(oracle.sizes) < 40
    assert oracle.calls == oracle.life == len(oracle.sizes) + 200 - sum(n == 5 for n in oracle.sizes) - 1


def test_every_size_is_asked_alone_when_it_is_first_met_and_a_share_of_the_rest() -> None:
    oracle = oracle_of(DPO)
    joined = Joined(oracle)
    several = [b for rows in (3, 8, 11) for b in same_numbers(150, rows)]
    plan = joined.plan(several)
    alone = [call.batch.rows for call in plan.calls if call.parts is None]
    assert {3, 8, 11} <= set(alone)
    assert 3 < len(alone) < 90
    assert not {call.batch.rows for call in joined.plan(same_numbers(2, 8)).calls if call.parts is None} - {8}


def test_numbers_that_the_loss_takes_are_never_joined() -> None:
    text = LOSS.format(more=", progress", body="return -F.logsigmoid(z) * (1 + progress)").replace(
        "    n = z.shape[0]\n", ""
    )
    joined, plain = Joined(oracle_of(text)), Joined(oracle_of(DPO))
    one = same_numbers(1, 6)[0]
    several = [PairBatch.of(one.tensors, one.beta, progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert all(call.parts is None for call in joined.plan(several).calls)
    assert any(call.parts is not None for call in plain.plan(several).calls)
    betas = [PairBatch.of(one.tensors, beta, 0.5) for beta in (0.1, 0.2)]
    assert all(call.parts is None for call in plain.plan([*betas, one.astype(np.float64)]).calls)


def test_no_call_is_larger_than_it_may_be() -> None:
    calls = Joined(oracle_of(DPO)).plan(same_numbers(60, 300)).calls
    assert max(call.batch.rows for call in calls) <= ROWS
    assert sum(call.batch.rows for call in calls if call.parts is not None) == 60 * 300


@pytest.mark.parametrize("body", OTHERWISE.values(), ids=OTHERWISE)
def test_a_loss_that_answers_otherwise_in_company_is_noticed(body: str) -> None:
    """With what the screen says of it switched off: no such text is called pointwise."""
    text = (
        LOSS.format(more="", body=body).replace("\ndef", "\nK = []\n\ndef")
        if "K." in body
        else LOSS.format(more="", body=body)
    )
    assert not oracle_of(text).program.pointwise
    with pytest.raises(NotAlikeError):
        ask_a_while(oracle_of(text, policy=False, pointwise=True))


def ask_a_while(oracle: InProcess) -> None:
    joined = Joined(oracle)
    joined.establish([realistic(5, 154), realistic(6, 200).astype(np.float64)])
    for _ in range(2):
        plan = joined.plan(same_numbers(8, 90))
        joined.take(plan, joined.ask(plan))


@pytest.mark.parametrize("body", [OTHERWISE["in large batches"], OTHERWISE["by the others' mean"]])
def test_it_is_the_comparison_that_notices(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.oracle.joined._near", lambda *_: True)
    ask_a_while(oracle_of(LOSS.format(more="", body=body), pointwise=True))


def test_a_pointwise_loss_is_established_at_several_sizes() -> None:
    oracle = oracle_of(DPO)
    Joined(oracle).establish([realistic(5, 154), realistic(6, 154).astype(np.float64)])
    assert oracle.program.pointwise
    assert set(SIZES) <= set(oracle.sizes)
    assert max(oracle.sizes) == 154


def test_a_difference_that_is_more_than_rounding_counts() -> None:
    one = np.linspace(-1.0, 1.0, 9, dtype=np.float32)
    assert _numbers_near(one, np.nextafter(one, np.float32(9.0)))
    assert not _numbers_near(one, one * np.float32(1.001))
    assert not _numbers_near(one, np.where(one == 1.0, np.float32("nan"), one))
    zero, least, small = (np.array([number], np.float32) for number in (0.0, 1e-45, 1e-30))
    assert _numbers_near(least, zero)
    assert not _numbers_near(small, zero)
    wide = one.astype(np.float64)
    assert not _numbers_near(wide, wide + 1e-9)
    gone = np.array([np.nan, np.inf, 1.0])
    assert _numbers_near(gone, gone.copy())
    assert not _numbers_near(gone, np.array([np.nan, -np.inf, 1.0]))


def test_the_contract_is_the_one_whose_rows_are_single_numbers() -> None:
    assert all(len(tensor.dimensions) == 1 for tensor in PREFERENCE.tensors)
