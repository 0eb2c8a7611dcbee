"""Trajectories: a policy or controller acts from the starts that seeds stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.trainer.control.environment import SIDE_BY_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.trainer.control.environment import Lanes

    Array = NDArray[np.float64]


class Actor(Protocol):
    """Chooses actions as numbers of bins."""

    def __call__(self, seen: Array, noise: Array, /) -> NDArray[np.uint8]:
        """From observations (n, O) and uniform noise in (0, 1), shape (n, D, K): the bins, shape (n, D)."""


@dataclass(frozen=True)
class Trajectories:
    """N trajectories of T steps: observations (N, T, O), bins (N, T, D), rewards (N, T), and where they went on (N, T).

    After the end of an episode the rewards are 0 and `alive` is false.
    """

    seen: NDArray[np.float32]
    bins: NDArray[np.uint8]
    rewards: Array
    alive: NDArray[np.bool_]

    @property
    def returns(self) -> Array:
        """Sum of rewards, shape (N,)."""
        return self.rewards.sum(axis=1)


@dataclass(frozen=True)
class LeadIn:
    """Whoever acts before a trajectory begins, and for how many steps on each lane, shape (N,)."""

    actor: Actor
    steps: NDArray[np.int64]
    key: tuple[int, ...]


def centres(bins: int, bound: float) -> Array:
    """The action that each bin stands for, shape (K,)."""
    return np.linspace(-bound, bound, bins)


def roll(
    lanes: Lanes,
    actor: Actor,
    seeds: NDArray[np.int64],
    actions: Array,
    length: int,
    key: tuple[int, ...],
    lead: LeadIn | None = None,
) -> Trajectories:
    """Let it act for `length` steps from each seed's start. `actions` are the bins' centres, `key` seeds the noise.

    The noise of a trajectory depends on the key and on its place alone, not on the actor: what two actors do with the
    same key can be compared trajectory by trajectory.
    """
    parts = []
    for begin in range(0, len(seeds), SIDE_BY_SIDE):
        here = slice(begin, begin + SIDE_BY_SIDE)
        led = None if lead is None else LeadIn(lead.actor, lead.steps[here], (*lead.key, begin))
        parts.append(_roll(lanes, actor, seeds[here], actions, length, (*key, begin), led))
    joined = [np.concatenate([getattr(p, name) for p in parts]) for name in ("seen", "bins", "rewards", "alive")]
    return Trajectories(*joined)


def _roll(
    lanes: Lanes,
    actor: Actor,
    seeds: NDArray[np.int64],
    actions: Array,
    length: int,
    key: tuple[int, ...],
    lead: LeadIn | None,
) -> Trajectories:
    draw = np.random.Generator(np.random.PCG64(key))
    n, shape = len(seeds), (len(seeds), lanes.action_size, len(actions))
    seen, ended = lanes.reset(list(seeds)), np.zeros(n, dtype=np.bool_)
    before = np.zeros(n, dtype=np.int64) if lead is None else lead.steps
    early = np.random.Generator(np.random.PCG64(key if lead is None else lead.key))
    kept = np.zeros((n, length, lanes.observation_size), dtype=np.float32)
    bins = np.zeros((n, length, lanes.action_size), dtype=np.uint8)
    rewards, alive = np.zeros((n, length)), np.zeros((n, length), dtype=np.bool_)
    for time in range(int(before.max()) + length):
        chosen = actor(seen, draw.random(shape))
        if lead is not None:
            chosen = np.where((time < before)[:, None], lead.actor(seen, early.random(shape)), chosen)
        at = time - before
        on = np.flatnonzero((at >= 0) & (at < length) & ~ended)
        kept[on, at[on]], bins[on, at[on]], alive[on, at[on]] = seen[on], chosen[on], True
        seen, gained, ended = lanes.step(actions[chosen])
        rewards[on, at[on]] = gained[on]
    return Trajectories(kept, bins, rewards, alive)
