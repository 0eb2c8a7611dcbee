"""The loss of this folder, called as the harness's sandbox called it when it was judged, with its limits as guards.

What runs is the screened text in `loss.json`, which the sandbox was given too: it asks the guards beside it
(`guards.py`) for every attribute, and finds what it found there. `candidate.py` (`.txt` for a model's reply) is the
text as it was submitted; where that was changed, nothing runs.

Covered: arguments, dialect and tuned values as in the sandbox; float32 (float64 stays), no autocast, copies in place of
a trainer's tensors; checks before a number that is not finite reaches an optimizer. Not covered: safety. This is a
stranger's code in your process, and nothing here confines it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import math
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from harness.sandbox.guards import namespace

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

_HERE = Path(__file__).parent
#: The module that the candidate believes to be in: its classes look themselves up by that name.
_OWN = "candidate"

Guard = Literal["raise", "warn", "off"]


class NotFiniteError(ArithmeticError):
    """The loss or its gradient is not finite here, or was found not to be when the loss was judged."""


class LimitWarning(UserWarning):
    """The same where the guard only warns; and what lies outside of what was judged."""


@functools.cache
def about() -> dict[str, Any]:
    """What is known of the loss (`loss.json`). Raises ImportError where the candidate's text was changed."""
    known: dict[str, Any] = json.loads((_HERE / "loss.json").read_bytes())
    file, digest = known["candidate"]["file"], known["candidate"]["sha256"]
    if hashlib.sha256((_HERE / file).read_bytes()).hexdigest() != digest:
        raise ImportError(f"{file} is not the text that was judged (sha256 {digest}): export the run again")
    return known


class Loss:
    """The loss at a beta: `values = loss(pc, pr, rc, rr)`, shape (B,) or (), on which `backward()` works.

    `guard` says what happens at the loss's limits: "raise" a NotFiniteError, "warn" with a LimitWarning, or nothing
    ("off"). The limits are those of the stability map, at the betas that it has; whatever is not finite all the same is
    noticed in the values, and in the gradients while they are computed. Each check waits for the device once.
    """

    def __init__(self, beta: float = 0.1, *, guard: Guard = "raise") -> None:
        if not 0.0 < beta < math.inf:
            raise ValueError(f"beta is a positive number, and not {beta}")
        if guard not in {"raise", "warn", "off"}:
            raise ValueError(f'guard is "raise", "warn" or "off", and not {guard!r}')
        self.beta, self.guard = float(beta), guard
        known = about()
        self._limits: dict[str, Any] = known["limits"]
        #: Pairs that it needs at least.
        self.smallest_batch: int = self._limits["smallest_batch"]
        self._program: dict[str, Any] = known["program"]
        self._module, self._function = _loaded(self._program)
        # The stability map at this very beta, where it has that.
        onset = self._limits["onset"]
        self._at = next((one for one in onset if math.isclose(one["beta"], self.beta, rel_tol=1e-9)), None)
        self._far = False
        low, high = self._limits["beta"]
        if guard != "off" and not low <= self.beta <= high:
            told = f"beta {self.beta:g} is outside of what was judged, {low:g} to {high:g}. {self._measured()}"
            warnings.warn(told, LimitWarning, stacklevel=2)

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        """Copies and other processes load it anew."""
        return functools.partial(Loss, self.beta, guard=self.guard), ()

    def __call__(
        self,
        policy_chosen_logps: torch.Tensor,
        policy_rejected_logps: torch.Tensor,
        reference_chosen_logps: torch.Tensor,
        reference_rejected_logps: torch.Tensor,
        *,
        chosen_lengths: torch.Tensor | None = None,
        rejected_lengths: torch.Tensor | None = None,
        progress: float | None = None,
    ) -> torch.Tensor:
        """One value for each of B pairs, or one for all of them; training takes the mean.

        The four are summed log-probabilities of completions in nats, lengths their tokens, all of shape (B,), and
        `progress` is the share of the training that is done, from 0 to 1. Raises ValueError for shapes that are no
        batch and for what the loss asks for and was not given, NotFiniteError (see the class), and what the candidate
        raises.
        """
        four = (policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps)
        more = {"chosen_lengths": chosen_lengths, "rejected_lengths": rejected_lengths, "progress": progress}
        given = self._given(four, more)
        pc, pr, rc, rr = (given[name] for name in _VECTORS)
        if self.guard != "off":
            self._before((pc - pr).detach() - (rc - rr))
            for name, vector in zip(_VECTORS, (pc, pr), strict=False):
                if vector.requires_grad:
                    vector.register_hook(functools.partial(self._look, name))
        program, arguments = self._program, [given[name] for name in self._program["positional"]]
        if program["dialect"] == "method":
            arguments.insert(0, _Self(self.beta))
        named = {own: given[name] for own, name in program["keyword"]} | program["constants"]
        with torch.autocast(pc.device.type, enabled=False), _as_its_own(self._module):
            values = self._function(*arguments, **named)
        if not isinstance(values, torch.Tensor) or values.shape not in {(), pc.shape}:
            shape = tuple(values.shape) if isinstance(values, torch.Tensor) else type(values).__name__
            raise ValueError(f"the candidate gave {shape} for {len(pc)} pairs")
        if self.guard != "off" and not bool(torch.isfinite(values.detach()).all()):
            self._complain(f"the loss is not finite at beta {self.beta:g}. {self._measured()}")
        return values

    def _given(self, four: tuple[torch.Tensor, ...], more: dict[str, Any]) -> dict[str, Any]:
        """What the candidate may be given, by the contract's names, as the sandbox makes it."""
        pairs, device = four[0].numel(), four[0].device
        if any(t.shape != (pairs,) for t in four):
            raise ValueError(f"four vectors of one length are wanted, and not {[tuple(t.shape) for t in four]}")
        if pairs < self.smallest_batch:
            raise ValueError(
                f"{pairs} pairs, where this loss needs {self.smallest_batch} at the least: drop such batches"
            )
        dtype = torch.float64 if four[0].dtype == torch.float64 else torch.float32
        # Copies: what is differentiated is no leaf, nothing of the trainer's can be written to.
        vectors = [t.to(dtype).clone(memory_format=torch.contiguous_format) for t in four]
        given: dict[str, Any] = dict(zip(_VECTORS, [*vectors[:2], *(t.detach() for t in vectors[2:])], strict=True))
        given["beta"] = self.beta
        wanted = {*self._program["positional"], *(name for _, name in self._program["keyword"])}
        if missing := [name for name in more if name in wanted and more[name] is None]:
            raise ValueError(f"this loss also takes {', '.join(missing)}")
        for name in wanted & more.keys():
            one = more[name]
            given[name] = one.detach().to(device, dtype, copy=True) if isinstance(one, torch.Tensor) else float(one)
            if isinstance(one, torch.Tensor) and one.shape != (pairs,):
                raise ValueError(f"{name} has the shape {tuple(one.shape)} where there are {pairs} pairs")
        return given

    def _before(self, rho: torch.Tensor) -> None:
        """Hold the margins of a batch against the limits."""
        low, high = torch.stack([rho.min(), rho.max()]).tolist()
        if not (math.isfinite(low) and math.isfinite(high)):  # a NaN among them is both
            self._complain("a log-probability that the loss is given is not finite: the model has diverged already")
            return
        # The map is of float32, of one pair in ordinary company, and of the middle of ranges.
        if self._limits["by_rho"] and rho.dtype == torch.float32:
            below, above = (self._at["below"], self._at["above"]) if self._at is not None else (None, None)
            if below is not None and low <= below:
                self._complain(f"a pair has rho = {low:.2f} at beta {self.beta:g}. {self._measured()}")
            elif above is not None and high >= above:
                self._complain(f"a pair has rho = {high:.2f} at beta {self.beta:g}. {self._measured()}")
        reach = max(-low, high) * self.beta
        if reach > self._limits["reach"] and not self._far:
            self._far = True
            told = f"|beta rho| is {reach:.1f}, and was judged up to {self._limits['reach']:g}: told once"
            warnings.warn(told, LimitWarning, stacklevel=3)

    def _look(self, name: str, gradient: torch.Tensor) -> None:
        if not bool(torch.isfinite(gradient).all()):
            self._complain(f"the gradient of {name} is not finite at beta {self.beta:g}. {self._measured()}")

    def _complain(self, told: str) -> None:
        if self.guard == "raise":
            raise NotFiniteError(f'{told} Stopped before the optimizer saw it (guard="raise").')
        warnings.warn(told, LimitWarning, stacklevel=4)

    def _measured(self) -> str:
        """The limits at the measured betas next to this one, in a sentence."""
        near = sorted(self._limits["onset"], key=lambda one: abs(math.log(one["beta"] / self.beta)))
        told = []
        for one in sorted(near[:1] if self._at is not None else near[:2], key=lambda one: float(one["beta"])):
            sides = [f"rho <= {one['below']:g}" if one["below"] is not None else ""]
            sides += [f"rho >= {one['above']:g}" if one["above"] is not None else ""]
            if said := " or ".join(filter(None, sides)):
                told.append(f"{one.get('kind', 'not finite')} from {said} at beta {one['beta']:g}")
        return (
            f"Measured when it was judged: {'; '.join(told)}."
            if told
            else "No limit was found there when it was judged."
        )


_VECTORS = ("policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps")


class _Self:
    """What a method is given as `self`: beta, and nothing else."""

    def __init__(self, beta: float) -> None:
        self.beta = beta


def _loaded(program: dict[str, Any]) -> tuple[types.ModuleType | None, Any]:
    """The candidate's module and its loss; its text runs here, once for each `Loss`."""
    with _as_its_own(None):
        space = namespace(program["guarded"])
        exec(compile(program["text"], "<candidate>", "exec", dont_inherit=True), space)  # noqa: S102 - what was promoted
        return sys.modules.get(_OWN), space[program["entry"]]


@contextlib.contextmanager
def _as_its_own(module: types.ModuleType | None) -> Iterator[None]:
    """Its module under the name that it knows, for as long as it runs: others may have one of that name."""
    before = sys.modules.get(_OWN)
    if module is not None:
        sys.modules[_OWN] = module
    try:
        yield
    finally:
        if before is None:
            sys.modules.pop(_OWN, None)
        else:
            sys.modules[_OWN] = before
