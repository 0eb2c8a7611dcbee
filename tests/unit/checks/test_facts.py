"""Facts: what is told of a loss, and what is not told because the answers do not say it."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from judging import NAMES, Answering

from harness.core.domain import Domain
from harness.core.facts import LossFacts
from harness.core.program import CallPlan, Program
from harness.core.verdict import Severity
from harness.losses import CATALOGUE, source_text
from harness.plots.picture_loss import loss_figure
from harness.property_tests.preference import test_reference_sign as reference_sign
from harness.protocol.batch import Answer
from harness.report.wording import fact_rows
from harness.subject import by_contract
from harness.subject.curve import LENGTH
from harness.subject.preference import PreferenceSubject
from harness.subject.reference import entering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.core.facts import Curve
    from harness.core.verdict import Json
    from harness.losses import Entry
    from harness.protocol.batch_types import PairBatch

    Loss = Callable[..., torch.Tensor]


def facts_of(subject: PreferenceSubject) -> dict[str, Any]:
    return by_contract.facts_of(subject)


def rows_of(found: Mapping[str, Json]) -> dict[str, str]:
    """What a report tells of a document of facts."""
    return dict(fact_rows(LossFacts(found)))


def drawn(facts: Mapping[str, Json]) -> Curve:
    curve = LossFacts(facts).curve
    assert curve is not None
    return curve


def told(loss: Loss, *wanted: str) -> PreferenceSubject:
    """A subject that answers as this function of the four vectors, beta and what else it wants does."""

    def answer(batch: PairBatch) -> Answer:
        vectors = [torch.tensor(np.array(v)) for v in batch.tensors]
        for vector in vectors[:2]:
            vector.requires_grad_()
        offered = dict(zip(("chosen_lengths", "rejected_lengths"), vectors[4:], strict=True))
        value = loss(*vectors[:4], batch.beta, *(offered[name] for name in wanted))
        gradients = torch.autograd.grad(value.mean(), vectors[:2], allow_unused=True)
        found = [np.zeros(batch.pairs) if g is None else g.numpy() for g in gradients]
        values = np.atleast_1d(value.detach().numpy())
        return Answer(tuple(value.shape), values.dtype, values, tuple(found), detached=False)

    oracle = Answering(answer)
    plan = CallPlan("loss", "function", (*NAMES, *wanted))
    oracle.program = Program(text="", guarded=True, plan=plan, name="loss", source="")
    return PreferenceSubject(oracle, Domain())


def rho(pc, pr, rc, rr):
    return (pc - pr) - (rc - rr)


def softplus(x):
    return torch.nn.functional.softplus(x)


def dpo(pc, pr, rc, rr, beta):
    return softplus(-beta * rho(pc, pr, rc, rr))


def turned(pc, pr, rc, rr, beta):
    return softplus(-beta * ((pc - pr) + (rc - rr)))


def turned_on_one_side(pc, pr, rc, rr, beta):
    return softplus(-beta * ((pc - rc) - (pr + rr)))


def turned_by_half(pc, pr, rc, rr, beta):
    return softplus(-beta * ((pc - pr) + 0.5 * (rc - rr)))


def turned_for_long_answers(pc, pr, rc, rr, beta):
    sign = torch.where(rc < rr, 1.0, -1.0)
    return softplus(-beta * ((pc - pr) + sign * (rc - rr)))


def turned_scalar(pc, pr, rc, rr, beta):
    return turned(pc, pr, rc, rr, beta).mean()


def larger_reference(pc, pr, rc, rr, beta):
    return softplus(-beta * ((pc - pr) - 1.5 * (rc - rr)))


def free(pc, pr, rc, rr, beta):  # noqa: ARG001 - the contract's arguments
    return softplus(-beta * (pc - pr))


def no_beta(pc, pr, rc, rr, beta):  # noqa: ARG001 - the contract's arguments
    return softplus(-rho(pc, pr, rc, rr))


def summed(pc, pr, rc, rr, beta):
    return dpo(pc, pr, rc, rr, beta).sum()


def centred(pc, pr, rc, rr, beta):
    x = beta * rho(pc, pr, rc, rr)
    return softplus(-(x - 0.5 * torch.tanh(x.mean())))


def column(pc, pr, rc, rr, beta, chosen_lengths, rejected_lengths):
    chosen = (pc - rc) / chosen_lengths.unsqueeze(-1)
    return softplus(-beta * (chosen - (pr - rr) / rejected_lengths.unsqueeze(-1))).mean()


def simpo(pc, pr, rc, rr, beta, chosen_lengths, rejected_lengths):  # noqa: ARG001 - the contract's arguments
    return softplus(-beta * (pc / chosen_lengths - pr / rejected_lengths))


def all_nan(pc, pr, rc, rr, beta):  # noqa: ARG001 - the contract's arguments
    return torch.log(-rho(pc, pr, rc, rr).square() - 1.0)


def nan_below(pc, pr, rc, rr, beta):
    return -torch.log(beta * rho(pc, pr, rc, rr) + 1.0)


def nan_at_zero(pc, pr, rc, rr, beta):
    x = beta * rho(pc, pr, rc, rr)
    return softplus(-x) + 0.0 * x / x


def test_a_turned_reference_is_told_and_drawn() -> None:
    right, wrong = facts_of(told(dpo)), facts_of(told(turned))
    assert right["curve"]["value"] == wrong["curve"]["value"]
    assert right["curve"]["value_by_reference"] == right["curve"]["value"]
    assert wrong["curve"]["value_by_reference"] == wrong["curve"]["value"][::-1]
    rows = rows_of(wrong)
    assert rows["reference"] == "used: WITH THE POLICY'S SIGN"
    assert "either completion is shifted under both models" in rows["function of rho alone"]
    assert rows_of(right)["reference"] == "used: against the policy"
    assert rows_of(right)["function of rho alone"] == "yes"
    figures = [loss_figure("x", drawn(f), LossFacts(f).minima, []) for f in (right, wrong)]
    labels = [{line.get_label() for axes in figure.axes for line in axes.lines} for figure in figures]
    assert ["the same rho, made by the reference" in each for each in labels] == [False, True]


@pytest.mark.parametrize("loss", [turned, turned_on_one_side, turned_by_half, turned_for_long_answers, turned_scalar])
def test_a_turned_reference_is_warned_of(loss: Loss) -> None:
    subject = told(loss)
    reference_sign.test_reference_enters_against_the_policy(subject)
    (note,) = subject.notes
    assert (note.rule, note.severity) == (reference_sign.RULE.id, Severity.WARNING)
    assert "reference_chosen_logps" in (note.counterexample or {})


@pytest.mark.parametrize("loss", [dpo, free, larger_reference, no_beta, summed, centred, all_nan, nan_below])
def test_a_reference_that_enters_as_it_should_is_not(loss: Loss) -> None:
    subject = told(loss)
    with np.errstate(all="ignore"):
        reference_sign.test_reference_enters_against_the_policy(subject)
    assert not subject.notes


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda e: e.name)
def test_nothing_of_the_catalogue_is_warned_of(entry: Entry) -> None:
    space: dict[str, Loss] = {}
    exec(source_text(entry.name), space)  # noqa: S102 - text of this repository
    loss = space[f"{entry.name}_loss"]
    subject = told(loss, *list(inspect.signature(loss).parameters)[5:])
    reference_sign.test_reference_enters_against_the_policy(subject)
    assert not subject.notes
    sides = entering(subject)
    assert sides is not None
    (word,) = {side.word for side in sides.values()}
    assert word == ("not at all" if entry.reference_free else "opposite")


def test_another_size_is_told() -> None:
    found = facts_of(told(larger_reference))
    assert found["reference_enters"]["chosen"] == {"sign": "opposite", "size": 1.5, "same_share": 0.0}
    assert rows_of(found)["reference"] == "used: against the policy, at 1.5 of its size"


def test_an_answer_that_changes_by_itself_tells_nothing_of_the_reference() -> None:
    calls = iter(range(10**6))
    assert entering(told(lambda *five: dpo(*five) + 0.1 * (next(calls) % 2))) is None


@pytest.mark.parametrize(("loss", "matters"), [(dpo, True), (no_beta, False)])
def test_whether_beta_matters_is_measured(loss: Loss, *, matters: bool) -> None:
    found = facts_of(told(loss))
    assert found["beta_matters"] is matters
    assert rows_of(found).get("beta") == (None if matters else "not used: no answer changes with it")


@pytest.mark.parametrize(
    ("loss", "company", "statistic"),
    [(dpo, "none", "pointwise"), (summed, "none, summed", "pointwise"), (centred, "batch", "batch")],
)
def test_what_the_other_pairs_are_to_a_pair(loss: Loss, company: str, statistic: str) -> None:
    found = facts_of(told(loss))
    assert (found["company"], found["statistic"]) == (company, statistic)


def test_a_broadcast_over_pairs_is_told() -> None:
    found = facts_of(told(column, "chosen_lengths", "rejected_lengths"))
    assert found["company"] == "batch, all with all"
    assert "as a (B, B) broadcast does" in rows_of(found)["kind"]


def test_lengths_are_held_along_the_curve() -> None:
    found = facts_of(told(simpo, "chosen_lengths", "rejected_lengths"))
    assert found["convex"] is True
    assert found["slope_at_zero"] == pytest.approx(-0.05 / LENGTH / 2)
    assert "(beta 0.05, completions of 64 tokens)" in rows_of(found)["slope at rho = 0"]
    assert "tokens" not in rows_of(facts_of(told(dpo)))["slope at rho = 0"]


def test_nothing_is_said_of_a_curve_without_a_number() -> None:
    found = facts_of(told(all_nan))
    for key in ("convex", "minima", "maxima", "statistic", "reference_free", "of_rho_alone", "reference_enters"):
        assert found[key] is None, key
    assert (found["value_at_zero"], found["slope_at_zero"]) == ("NaN", "NaN")
    rows = rows_of(found)
    assert rows["convex in rho"] == "unknown: no answer of the curve is finite"
    assert rows["finite along the curve"] == "nowhere"
    assert not {"kind", "reference", "local minima"} & set(rows)


def test_what_is_said_is_of_the_finite_part() -> None:
    found = facts_of(told(nan_below))
    assert found["convex"] is True
    assert found["finite_where"] == [[-19.5, 100.0]]
    assert rows_of(found)["convex in rho"] == "yes, as far as it is finite"


def test_a_hole_at_zero_leaves_both_sides() -> None:
    found = facts_of(told(nan_at_zero))
    assert found["finite_where"] == [[-100.0, -0.125], [0.125, 100.0]]
    assert (found["convex"], found["slope_at_zero"], found["minima"]) == (True, "NaN", [])


@pytest.mark.parametrize("loss", [dpo, all_nan, nan_below, nan_at_zero])
def test_numpy_remarks_on_nothing(loss: Loss) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = facts_of(told(loss))
        loss_figure("x", drawn(found), LossFacts(found).minima, [])
