"""Ways to ask. With `--tune-prompt` the instruction is a candidate as well: an arm of a bandit, recorded like all else.

An arm is paid by what came of its asks: half for a proposal that was accepted at the first attempt, half for one that
gained on the best so far. Thompson sampling with a Beta prior chooses the next; the draw is the run's own by its seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The instructions by name. The first is asked with where nothing is tuned.
TEMPLATES = {
    "plain": (
        "Propose a new loss that scores higher than the best one above. Say in one or two sentences what it does "
        "differently and why that should help, then write it."
    ),
    "bold": (
        "Propose a loss of a kind that is not in the list above: another shape of the margin function, another use of "
        "the reference, a schedule over progress, or a statistic of the batch. A small change of a known loss is of "
        "no use here."
    ),
    "refine": (
        "Take the best loss above and change one thing about it that its numbers show to be wrong: its slope for "
        "large or for negative margins, its scale in beta, or how it treats labels that are wrong. Name it as parent."
    ),
    "combine": (
        "Combine the strengths of two losses above, of different kinds, in one formula; name both as parents. Say "
        "which one governs where, and make the passage between them smooth."
    ),
    "diagnose": (
        "Look at the numbers first: where does the best loss lose against a perfect score, on clean labels or on "
        "turned ones, at which beta, by drifting too far or not far enough? Then propose a loss against that weakness."
    ),
}


@dataclass(frozen=True)
class Pull:
    """One generation's ask: its template, whether its first attempt was accepted, whether it gained."""

    template: str
    accepted: bool
    gained: bool

    @property
    def pay(self) -> float:
        """Between 0 and 1."""
        return 0.5 * self.accepted + 0.5 * self.gained


def choose(pulls: list[Pull], seed: int, generation: int, *, tune: bool) -> str:
    """The template for a generation; the same again for the same history and seed."""
    if not tune:
        return next(iter(TEMPLATES))
    draw = np.random.Generator(np.random.PCG64([seed, generation, 41]))
    names = list(TEMPLATES)
    drawn = []
    for arm in names:
        paid = [pull.pay for pull in pulls if pull.template == arm]
        drawn.append(draw.beta(1.0 + sum(paid), 1.0 + len(paid) - sum(paid)))
    return names[int(np.argmax(drawn))]


def table(pulls: list[Pull]) -> dict[str, dict[str, float]]:
    """For each template that was asked with: asks, the share accepted at once, the share that gained, the mean pay."""
    out: dict[str, dict[str, float]] = {}
    for arm in TEMPLATES:
        own = [pull for pull in pulls if pull.template == arm]
        if own:
            out[arm] = {
                "asks": len(own),
                "accepted": sum(pull.accepted for pull in own) / len(own),
                "gained": sum(pull.gained for pull in own) / len(own),
                "pay": sum(pull.pay for pull in own) / len(own),
            }
    return out
