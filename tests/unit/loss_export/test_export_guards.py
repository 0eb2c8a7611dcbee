"""The limits of an exported loss as guards: what is stopped, what is told, and what is let pass."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from export_samples import exported, imported
from sealing_samples import keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.attestation.keys import Keyring

FOUR = "policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps"
RHO = "(policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)"
#: Finite in its values everywhere, and with a gradient of 0 * inf far out.
LOST = f"""
def loss({FOUR}, beta):
    x = beta * ({RHO})
    far = x < -60.0
    near = F.softplus(-x) + 1e-9 * torch.exp(-x)
    return torch.where(far, 60.0 - 0.5 * x, near)
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """DiscoPOP."""
    folder = tmp_path_factory.mktemp("export")
    return imported(exported(folder, keys(folder / "keys")))


def at(*rho: float) -> tuple[torch.Tensor, ...]:
    """Pairs at these margins."""
    moved = torch.tensor(rho, requires_grad=True)
    zero = torch.zeros(len(rho))
    return moved, zero, zero, zero


def quietly(make: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def test_discopop_at_beta_5_is_stopped_before_its_nan(module: Any) -> None:
    with pytest.warns(module.LimitWarning, match="beta 5 is outside of what was judged, 0.025 to 1.*rho <= -17.75"):
        loss = module.Loss(5.0)
    assert bool(quietly(lambda: loss(*at(-17.0, 1.0))).isfinite().all())
    with pytest.raises(
        module.NotFiniteError, match=r"rho = -20.00 at beta 5.*NaN from rho <= -17.75 at beta 5\. Stopped"
    ):
        loss(*at(1.0, -20.0))
    assert bool(quietly(lambda: module.Loss(5.0, guard="off"))(*at(1.0, -20.0)).isnan().any())


def test_it_may_warn_in_place_of_stopping(module: Any) -> None:
    loss = quietly(lambda: module.Loss(5.0, guard="warn"))
    quietly(lambda: loss(*at(-17.0, 1.0)))  # what is far is told once
    with (
        pytest.warns(module.LimitWarning, match="rho = -20.00"),
        pytest.warns(module.LimitWarning, match="is not finite"),
    ):
        assert bool(loss(*at(-20.0, 1.0)).isnan().any())


def test_between_measured_betas_the_value_itself_tells(module: Any) -> None:
    loss = quietly(lambda: module.Loss(3.0))
    assert bool(quietly(lambda: loss(*at(-28.0))).isfinite().all())
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(module.NotFiniteError, match=r"not finite at beta 3\..*at beta 2\.5;.*at beta 5"),
    ):
        loss(*at(-40.0))


def test_a_gradient_that_is_not_finite_stops_the_step(tmp_path: Path, ring: Keyring) -> None:
    module = imported(exported(tmp_path, ring, LOST.encode(), of_rho_alone=False))
    loss = module.Loss(1.0)
    with warnings.catch_warnings(action="ignore"):
        four = at(-90.0, 1.0)
        value = loss(*four).mean()
        assert bool(value.isfinite())
        with pytest.raises(module.NotFiniteError, match="gradient of policy_chosen_logps is not finite"):
            value.backward()
        assert four[0].grad is None
        module.Loss(1.0, guard="off")(*four).mean().backward()
    assert four[0].grad is not None
    assert not bool(four[0].grad.isfinite().all())


def test_limits_that_do_not_settle_it_stop_nothing_beforehand(tmp_path: Path, ring: Keyring) -> None:
    folder = exported(tmp_path, ring, of_rho_alone=False)
    module = imported(folder)
    loss = quietly(lambda: module.Loss(5.0))
    with pytest.raises(module.NotFiniteError, match="the loss is not finite"):
        quietly(lambda: loss(*at(-20.0)))
    assert "does not settle this loss" in (folder / "README.md").read_text()


def test_a_model_that_has_diverged_is_named_as_that(module: Any) -> None:
    with pytest.raises(module.NotFiniteError, match="the model has diverged already"):
        module.Loss(0.1)(*at(float("nan"), 1.0))


def test_what_was_not_judged_is_told_once(module: Any) -> None:
    loss = module.Loss(1.0)
    with pytest.warns(module.LimitWarning, match="judged up to 50") as told:
        _ = [loss(*at(60.0)), loss(*at(70.0))]
    assert len(told) == 1


def test_float64_has_other_limits(module: Any) -> None:
    loss = quietly(lambda: module.Loss(5.0))
    four = [t.double() for t in at(-20.0)]
    assert quietly(lambda: loss(*four)).dtype == torch.float64


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32_and_goes_back(module: Any, half: torch.dtype) -> None:
    moved = torch.tensor([0.5, -2.0], dtype=half, requires_grad=True)
    zero = torch.zeros(2, dtype=half)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = module.Loss(0.1)(moved, zero, zero, zero)
    assert values.dtype == torch.float32
    values.mean().backward()
    assert moved.grad is not None
    assert moved.grad.dtype == half


def test_a_trainers_autocast_does_not_reach_it(tmp_path: Path, ring: Keyring) -> None:
    lines = (
        f"x = beta * ({RHO})",
        "one = torch.ones_like(x[:1])",
        "return F.softplus(-(x[:, None] @ one[:, None])[:, 0])",
    )
    module = imported(exported(tmp_path, ring, (f"def loss({FOUR}, beta):\n    " + "\n    ".join(lines)).encode()))
    plain = module.Loss()(*at(1.2345, -0.777))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module.Loss()(*at(1.2345, -0.777)).tolist() == plain.tolist()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda m: m.Loss(0.0), "beta is a positive number"),
        (lambda m: m.Loss(float("inf")), "beta is a positive number"),
        (lambda m: m.Loss(0.1, guard="no"), 'guard is "raise"'),
        (
            lambda m: m.Loss()(torch.zeros(2), torch.zeros(3), torch.zeros(2), torch.zeros(2)),
            "four vectors of one length",
        ),
        (lambda m: m.Loss()(*[torch.zeros(2, 1)] * 4), "four vectors of one length"),
    ],
)
def test_what_makes_no_sense_is_refused(module: Any, make: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make(module)


def test_what_it_asks_for_has_to_be_given(tmp_path: Path, ring: Keyring) -> None:
    from test_export_bits import EXAMPLES

    folder = exported(tmp_path, ring, (EXAMPLES / "annealed.py").read_bytes())
    z = torch.zeros(2)
    with pytest.raises(ValueError, match="this loss also takes progress"):
        imported(folder).Loss()(z, z, z, z)
    assert "Its recipes give no progress" in (folder / "README.md").read_text()


def test_too_few_pairs_are_refused(tmp_path: Path, ring: Keyring) -> None:
    from test_export_bits import EXAMPLES

    module = imported(exported(tmp_path, ring, (EXAMPLES / "dbaql.py").read_bytes()))
    assert module.Loss().smallest_batch == 2
    with pytest.raises(ValueError, match="1 pairs, where this loss needs 2"):
        module.Loss()(*at(1.0))


def test_a_trainers_tensors_are_not_written_to(tmp_path: Path, ring: Keyring) -> None:
    lines = (f"x = beta * ({RHO})", "reference_chosen_logps.fill_(0.0)", "return F.softplus(-x)")
    text = f"def loss({FOUR}, beta):\n    " + "\n    ".join(lines)
    module = imported(exported(tmp_path, ring, text.encode()))
    reference = torch.tensor([-3.0])
    module.Loss()(torch.tensor([-3.0]), torch.tensor([-4.0]), reference, torch.tensor([-4.0]))
    assert reference.tolist() == [-3.0]


def test_copies_load_it_anew(module: Any) -> None:
    loss = module.Loss(0.5, guard="warn")
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):  # noqa: S301 - our own bytes
        assert (other.beta, other.guard) == (0.5, "warn")
        assert other(*at(1.0)).tolist() == loss(*at(1.0)).tolist()
