"""The stability map: where over (rho, beta) the values and gradients stop being finite, in float32.

Inside the operating domain such a place rejects. Outside it this map says where the limits are: the
DiscoPOP paper's collapse at beta 2.5 and 5 is read off it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.core.domain import PAPER_BETAS
from harness.protocol.batch import Complaint
from harness.subject.batches import LEAST_TOKENS, NATS_PER_TOKEN, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.verdict import Json
    from harness.protocol.batch import Answer
    from harness.subject.preference import PreferenceSubject

#: Farthest margin that is looked at, in nats: texts of thousands of tokens reach it.
FAR = 8000.0
FINITE, GRADIENT_LOST, VALUE_LOST = 0, 1, 2
#: Onsets are found to this many nats.
_PRECISION = 0.0005


def margins() -> np.ndarray:
    """Margins of the map in ascending order: close up to 10 nats, even up to 100, then ever wider steps."""
    fine, near = np.arange(0.0, 10.0, 0.25), np.arange(10.0, 100.1, 2.5)
    far = np.geomspace(110.0, FAR, 24).round()
    half = np.concatenate([fine, near, far])
    return np.concatenate([-half[:0:-1], half])


def _states(subject: PreferenceSubject, points: list[tuple[float, float]]) -> np.ndarray:
    """The state at each (rho, beta)."""
    batches = [plain([rho, *_company(subject)], beta) for rho, beta in points]
    return np.array([_state(a) for a in subject.ask(batches)])


def _state(answer: Answer | Complaint) -> int:
    if isinstance(answer, Complaint) or not answer.finite_values:
        return VALUE_LOST
    return FINITE if answer.finite_gradients else GRADIENT_LOST


def _pointwise_states(subject: PreferenceSubject, rho: np.ndarray, betas: Sequence[float]) -> np.ndarray:
    """The whole map in one round trip, for a loss that gives one value for each pair."""
    rows = []
    for answer in subject.ask([plain(rho, beta) for beta in betas]):
        if isinstance(answer, Complaint) or answer.values.size != rho.size:
            rows.append(np.full(rho.size, VALUE_LOST))
            continue
        fine = np.isfinite(answer.grad_chosen) & np.isfinite(answer.grad_rejected)
        rows.append(np.where(np.isfinite(answer.values), np.where(fine, FINITE, GRADIENT_LOST), VALUE_LOST))
    return np.array(rows)


# Candidates answer NaN and infinity as a matter of course; numpy need not remark on it.
@np.errstate(all="ignore")
def stability(subject: PreferenceSubject, *, pointwise: bool, betas: Sequence[float] = PAPER_BETAS) -> dict[str, Json]:
    """The map and, for each beta, the margins from which on the answers are not finite.

    Lengths follow the margin, since only a long text has a large one: a token for each NATS_PER_TOKEN nats.
    """
    rho = margins()
    if pointwise:
        states = _pointwise_states(subject, rho, betas)
    else:
        states = _states(subject, [(r, b) for b in betas for r in rho]).reshape(len(betas), rho.size)
    onset: list[Json] = []
    middle = rho.size // 2
    below = _edges(subject, rho[middle::-1], states[:, middle::-1], betas)
    above = _edges(subject, rho[middle:], states[:, middle:], betas)
    for beta, low, high in zip(betas, below, above, strict=True):
        entry: dict[str, Json] = {"beta": beta, "below": low, "above": high}
        if low is not None or high is not None:
            entry["kind"] = _kind(subject, beta, low if low is not None else high)
        onset.append(entry)
    domain = subject.domain
    return {
        "beta": list(betas),
        "rho": [float(r) for r in rho],
        "state": [[int(s) for s in row] for row in states],
        "onset": onset,
        "nats_per_token": NATS_PER_TOKEN,
        "least_tokens": LEAST_TOKENS,
        "domain": {"beta": [domain.beta_low, domain.beta_high], "abs_beta_rho": domain.reach},
    }


def _kind(subject: PreferenceSubject, beta: float, rho: float | None) -> str:
    """What stands where the answers stop being finite: "NaN" or "Infinity"."""
    (answer,) = subject.ask([plain([rho or 0.0, *_company(subject)], beta)])
    if isinstance(answer, Complaint):
        return "an exception"
    lost = [v[~np.isfinite(v)] for v in (answer.values, answer.grad_chosen, answer.grad_rejected)]
    return "NaN" if any(np.isnan(v).any() for v in lost) else "Infinity"


def _company(subject: PreferenceSubject) -> list[float]:
    """Companions at a small margin, which keep batch statistics ordinary."""
    return [0.5] * (subject.smallest_batch - 1)


def _edges(
    subject: PreferenceSubject, rho: np.ndarray, states: np.ndarray, betas: Sequence[float]
) -> list[float | None]:
    """For each beta, going outwards along `rho`: the first margin that is not finite, by bisection."""
    brackets: dict[int, tuple[float, float]] = {}
    edges: list[float | None] = [None] * len(betas)
    for row, line in enumerate(states):
        lost = np.flatnonzero(line != FINITE)
        if lost.size:
            place = int(lost[0])
            brackets[row] = (float(rho[max(place - 1, 0)]), float(rho[place]))
    while open_ := [r for r, (a, b) in brackets.items() if abs(a - b) > _PRECISION]:
        middles = [sum(brackets[r]) / 2 for r in open_]
        found = _states(subject, [(m, betas[r]) for m, r in zip(middles, open_, strict=True)])
        for r, m, state in zip(open_, middles, found, strict=True):
            inner, outer = brackets[r]
            brackets[r] = (m, outer) if state == FINITE else (inner, m)
    for row, (_, outer) in brackets.items():
        # Rounded outwards, so that the margin that is named has been lost and not only nearly so.
        edges[row] = math.copysign(math.ceil(abs(outer) * 100) / 100, outer)
    return edges
