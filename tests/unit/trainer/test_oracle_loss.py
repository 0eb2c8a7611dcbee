"""The oracle as a loss: autograd sees what the candidate's own graph would have given it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from answering import DPO, Here

from bench.trusted import TrustedLoss
from harness.core.errors import CandidateFault
from harness.losses import CATALOGUE
from harness.protocol.batch import Answer
from harness.protocol.batch_types import PairBatch
from harness.protocol.job import StepError
from harness.protocol.spotcheck import Rechecking
from harness.trainer.torch import OracleLoss

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.protocol.batch import Batch
    from harness.trainer.tasks import PairLoss

torch.set_num_threads(1)


def vectors(pairs: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Four vectors of log-probabilities such as a small model gives, the reference near the policy."""
    generator = torch.Generator().manual_seed(seed)
    base = -20.0 - 10.0 * torch.rand(2, pairs, generator=generator)
    move = 2.0 * torch.randn(2, pairs, generator=generator)
    return [v.to(dtype) for v in (*(base + move), *base)]


def lengths(pairs: int) -> dict[str, torch.Tensor]:
    return {"chosen_lengths": torch.arange(pairs) + 10, "rejected_lengths": torch.arange(pairs) + 12}


def arguments(four: list[torch.Tensor], beta: float, progress: float) -> dict[str, Any]:
    names = ("policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps")
    by_name = dict(zip(names, four, strict=True))
    return by_name | {k: v.float() for k, v in lengths(four[0].numel()).items()} | {"beta": beta, "progress": progress}


def over(loss: PairLoss, four: Iterable[torch.Tensor], beta: float = 0.1, *, progress: float = 0.5) -> torch.Tensor:
    pc, pr, rc, rr = four
    return loss(pc, pr, rc, rr, beta, progress=progress)


@pytest.mark.parametrize("name", [entry.name for entry in CATALOGUE])
def test_gradients_are_those_of_torch_itself(name: str) -> None:
    here, weight = Here.of(name), torch.tensor(0.25, requires_grad=True)
    loss = OracleLoss(here)
    mine, theirs = (vectors(32, dtype=torch.float32) for _ in range(2))
    for four in (mine, theirs):
        four[:2] = [v.requires_grad_() for v in four[:2]]
    got = loss(mine[0] * weight, mine[1] * weight, mine[2], mine[3], 0.3, **lengths(32), progress=0.25)
    got.backward()
    grad, weight.grad = weight.grad, None
    scaled = [theirs[0] * weight, theirs[1] * weight, *theirs[2:]]
    own = here.call(arguments(scaled, 0.3, 0.25)).mean()
    own.backward()
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, own, rtol=0, atol=0)
    for a, b in zip((mine[0].grad, mine[1].grad, grad), (theirs[0].grad, theirs[1].grad, weight.grad), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)
    assert torch.count_nonzero(mine[0].grad) > 0


def test_a_constant_gradient_takes_part_in_the_graph() -> None:
    text = DPO.replace("return -F.logsigmoid(beta * rho)", "return (0.0 * rho).detach() + 1.0")
    four = [v.requires_grad_() for v in vectors(4)]
    over(OracleLoss(Here(text)), four).backward()
    assert four[0].grad is not None
    assert not four[0].grad.any()


def test_accumulated_steps_add_up_to_one_large_batch() -> None:
    whole, parts = ([v.requires_grad_() for v in vectors(32)] for _ in range(2))
    loss = OracleLoss(Here())
    over(loss, whole).backward()
    for start in range(0, 32, 8):
        (over(loss, (v[start : start + 8] for v in parts)) / 4).backward()
    torch.testing.assert_close(whole[0].grad, parts[0].grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_cross_as_float32(dtype: torch.dtype) -> None:
    here = Here()
    four = [v.requires_grad_() for v in vectors(8, dtype=dtype)]
    loss = over(OracleLoss(here), four)
    loss.backward()
    assert loss.dtype == torch.float32
    assert four[0].grad is not None
    assert four[0].grad.dtype == dtype
    (asked,) = here.asked
    assert isinstance(asked, PairBatch)
    assert asked.policy_chosen.dtype == "float32"
    exact = [v.detach().float().requires_grad_() for v in four]
    over(OracleLoss(Here()), exact).backward()
    assert exact[0].grad is not None
    assert torch.equal(four[0].grad, exact[0].grad.to(dtype))


def test_the_same_training_gives_the_same_weights_in_process_and_through_the_oracle() -> None:
    def trained(loss: PairLoss) -> torch.Tensor:
        torch.manual_seed(0)
        model = torch.nn.Linear(5, 2)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for step in range(30):
            data = torch.randn(16, 5, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            over(loss, (*model(data).T, torch.zeros(16), torch.zeros(16)), 0.5).backward()
            optimizer.step()
        return torch.cat([p.detach().reshape(-1) for p in model.parameters()])

    here = Here()
    own = TrustedLoss(lambda pc, pr, rc, rr, beta: -torch.nn.functional.logsigmoid(beta * ((pc - pr) - (rc - rr))))
    assert torch.equal(trained(OracleLoss(here)), trained(own))


def test_a_second_derivative_is_refused() -> None:
    four = [v.requires_grad_() for v in vectors(4)]
    (gradient,) = torch.autograd.grad(over(OracleLoss(Here()), four) ** 2, four[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda v: [v[0][:3], *v[1:]], "policy_rejected has shape"),
        (lambda v: [v[0].reshape(2, 2), *v[1:]], "policy_chosen has shape"),
        (lambda v: [t[:0] for t in v], "batch of 0 pairs"),
        (lambda v: [v[0], v[1], v[2] * float("nan"), v[3]], "not finite"),
        (lambda v: [v[0], v[1], v[2], v[3] - float("inf")], "not finite"),
    ],
)
def test_misuse_is_ours_and_nobody_is_asked(spoil: Any, why: str) -> None:
    here = Here()
    with pytest.raises(StepError, match=why) as raised:
        over(OracleLoss(here), spoil(vectors(4)))
    assert raised.value.fault == "ours"
    assert not here.asked


@pytest.mark.parametrize(("beta", "progress"), [(0.0, 0.5), (-1.0, 0.5), (float("nan"), 0.5), (0.1, 1.5)])
def test_a_beta_or_progress_out_of_range_is_ours(beta: float, progress: float) -> None:
    with pytest.raises(StepError, match="out of range"):
        over(OracleLoss(Here()), vectors(4), beta, progress=progress)


def test_a_batch_that_the_loss_cannot_work_with_is_ours() -> None:
    with pytest.raises(StepError, match="takes 4 to"):
        over(OracleLoss(Here(), smallest=4), vectors(3))


def test_a_policy_that_diverged_gives_nan_and_nobody_is_asked() -> None:
    here, four = Here(), vectors(4)
    four[0] = (four[0] * float("nan")).requires_grad_()
    loss = over(OracleLoss(here), four)
    loss.backward()
    assert loss.isnan()
    assert four[0].grad is not None
    assert four[0].grad.isnan().all()
    assert not here.asked


def test_an_answer_of_another_shape_is_the_candidates_fault() -> None:
    text = DPO.replace("return -F", "return -F").replace("(beta * rho)", "(beta * rho).unsqueeze(0)")
    with pytest.raises(CandidateFault, match=r"shape \(1, 4\)"):
        over(OracleLoss(Here(text)), vectors(4))


class Turncoat(Here):
    """Answers otherwise from some call on."""

    def __init__(self, turn: int, factor: float = -1.0) -> None:
        super().__init__()
        self.turn, self.factor = turn, factor

    def answer(self, batch: Batch) -> Answer:
        got = super().answer(batch)
        if len(self.asked) <= self.turn:
            return got
        return Answer(
            got.shape, got.dtype, got.values, (self.factor * got.grad_chosen, got.grad_rejected), got.detached
        )


@pytest.mark.parametrize("turn", [1, 60, 99, 130])
def test_a_candidate_that_changes_its_answers_late_is_caught(turn: int) -> None:
    loss = OracleLoss(Rechecking(Turncoat(turn)))
    with pytest.raises(CandidateFault) as raised:  # noqa: PT012 - somewhere in the loop
        for step in range(turn + 101):
            over(loss, vectors(4, step))
    assert raised.value.findings[0].rule == "W210"


def test_one_that_changes_in_the_last_steps_is_caught_at_the_end() -> None:
    asked = Rechecking(Turncoat(70))
    loss = OracleLoss(asked)
    for step in range(75):
        over(loss, vectors(4, step))
    with pytest.raises(CandidateFault):
        asked.finish()


def test_the_honest_is_left_alone_and_asked_again_every_so_often() -> None:
    here = Here()
    asked = Rechecking(here, every=10)
    loss = OracleLoss(asked)
    for step in range(35):
        over(loss, vectors(4, step))
    asked.finish()
    assert (asked.calls, len(here.asked)) == (35, 35 + 4)


def test_a_gpu_may_differ_a_little_and_not_more() -> None:
    small = OracleLoss(Rechecking(Turncoat(1, factor=1.0 + 1e-6), every=2, tolerance=1e-4))
    large = OracleLoss(Rechecking(Turncoat(1, factor=1.01), every=2, tolerance=1e-4))
    for step in range(5):
        over(small, vectors(4, step))
    with pytest.raises(CandidateFault):  # noqa: PT012 - somewhere in the loop
        for step in range(5):
            over(large, vectors(4, step))
