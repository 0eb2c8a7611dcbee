"""What a trained policy is worth: reward, divergence, grammar, length and order of pairs, against the reference.

It knows of a source, embedded or of the user's files, what `World` says.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.trainer.reviews.model import Model, all_log_probs, divergences, sample
from harness.trainer.reviews.settings import DIVERGENCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from numpy.typing import NDArray

    from harness.protocol.job import Say
    from harness.trainer.checkpoint import Pieces
    from harness.trainer.reviews.settings import Settings
    from harness.trainer.reviews.texts import Material, Tokens


class World(Protocol):
    """A source: models, words, and what a text is worth. `end` is the token that ends a text."""

    end: int

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256, by name, of all that the reference's log-probabilities depend on, besides the tokens of pairs."""

    def make(self, seed: int, say: Say, pieces: Pieces) -> Material:
        """Make the material of a seed, from the pieces that are there. Raises StepError."""

    def reference(self) -> Model:
        """The reference model, in evaluation mode, on the job's device; a new copy at every call."""

    def rewards(self, prompts: Tokens, completions: Tokens) -> NDArray[np.float64]:
        """How positive each text is, shape (N,), from 0 to 1."""

    def grammatical(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]]
    ) -> NDArray[np.bool_] | None:
        """Whether each text is in the language, shape (N,); None where nobody can say."""


@dataclass(frozen=True)
class Standing:
    """How a model answers the questions: means over them.

    `reward` from 0 to 1; `grammar` the share of answers in the language (NaN where nobody can say); `length` in
    tokens.
    """

    reward: float
    grammar: float
    length: float


def answers(model: Model, material: Material, world: World, settings: Settings, seed: int) -> Tokens:
    """One answer to each question; the noise is the same for every model of this seed."""
    return sample(model, material.questions, most=settings.answer, end=world.end, seed=7_368_787 + seed)


def standing(material: Material, world: World, given: Tokens) -> Standing:
    """The standing of a model that gave these answers."""
    right = world.grammatical(material.questions, given)
    return Standing(
        reward=float(world.rewards(material.questions, given).mean()),
        grammar=math.nan if right is None else float(right.mean()),
        length=float(np.mean([len(a) for a in given])),
    )


def score(
    policy: Model,
    reference: Model,
    material: Material,
    kept: tuple[torch.Tensor, torch.Tensor],
    theirs: Tokens,
    before: Standing,
    world: World,
    settings: Settings,
    seed: int,
) -> dict[str, float]:
    """The metrics of one policy; `theirs` are the reference's answers, `before` is how it stands by them.

    `reward`, `reward_gain` over the reference's answers to the same questions with the same noise, the divergences of
    `DIVERGENCES`, `grammar` (where there is one), `length_ratio` to the reference's answers, `accuracy`: the share of
    held-out pairs (their reference log-probabilities in `kept`) whose margin is positive.
    """
    given = answers(policy, material, world, settings, seed)
    now = standing(material, world, given)
    held = material.held
    moved = [
        all_log_probs(policy, held.prompts, part, settings.precision) - was
        for part, was in zip((held.chosen, held.rejected), kept, strict=True)
    ]
    own, other = (divergences(policy, reference, material.questions, some, world.end) for some in (given, theirs))
    out = {
        "reward": now.reward,
        "reward_gain": now.reward - before.reward,
        "kl": float(own.policy.double().mean()),
        "kl_token": float(own.policy.double().sum()) / sum(map(len, given)),
        "kl_forward": own.everywhere,
        "kl_forward_answer": float(other.reference.double().mean()),
        "length_ratio": now.length / before.length,
        "accuracy": float((moved[0] > moved[1]).double().mean()),
    }
    return out if math.isnan(now.grammar) else {**out, "grammar": now.grammar}


def lost(before: Standing) -> dict[str, float]:
    """The metrics of a training that left no finite weights: worth as much as nothing."""
    out = {"reward": 0.0, "reward_gain": -before.reward, "length_ratio": 0.0, "accuracy": 0.0}
    out |= dict.fromkeys(DIVERGENCES, math.inf)
    return out if math.isnan(before.grammar) else {**out, "grammar": 0.0}


def together(by_beta: Mapping[float, Mapping[str, float]], before: Standing) -> dict[str, float]:
    """One set of metrics for a seed.

    Rewards and accuracy are means over the betas, `best` and `worst` the rewards of single ones; for divergences,
    `grammar` and `length_ratio` the one that is farthest off stands for all, so that a guard rail holds for each. Each
    metric is given at each beta as well, as `kl_at_0.5`. `reference_reward` is what training began with.
    """
    each = list(by_beta.values())
    out = {name: float(np.mean([m[name] for m in each])) for name in ("reward", "reward_gain", "accuracy")}
    rewards = [m["reward"] for m in each]
    out |= {"best": max(rewards), "worst": min(rewards)}
    out |= {name: _worst([m[name] for m in each]) for name in DIVERGENCES}
    out["length_ratio"] = max((m["length_ratio"] for m in each), key=lambda r: math.inf if r <= 0 else abs(math.log(r)))
    if "grammar" in each[0]:
        out["grammar"] = min(m["grammar"] for m in each)
    out |= {f"{name}_at_{beta:g}": value for beta, m in by_beta.items() for name, value in m.items()}
    return out | {"reference_reward": before.reward}


def _worst(values: list[float]) -> float:
    return math.nan if any(math.isnan(v) for v in values) else max(values)


def as_facts(found: Standing) -> dict[str, float | None]:
    """A standing as JSON takes it."""
    return {name: None if math.isnan(value) else value for name, value in asdict(found).items()}


def from_facts(facts: Mapping[str, float | None]) -> Standing:
    """The standing that was written so."""
    return Standing(**{name: math.nan if value is None else float(value) for name, value in facts.items()})
