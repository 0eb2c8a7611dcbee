"""Preference sets: which of two trajectories from the same start is called the better one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    #: Start, pool of the chosen trajectory, pool of the rejected one; shape (M, 3).
    Pairs = NDArray[np.int64]

#: Who acted in the trajectories of each pool; the reference twice, with different noise.
POOLS = ("reference", "reference_again", "weak", "medium", "expert")
_FIRST, _AGAIN, _BEST = 0, 1, POOLS.index("expert")


def preference_sets(returns: Array, usable: NDArray[np.bool_], flipped: float, seed: int) -> dict[str, Pairs]:
    """Pair up the pools, start by start, by true return; ties are dropped. Returns and `usable` have shape (P, N).

    `on_policy`: two trajectories of the reference. `noisy`: the same pairs, the given share of them turned round.
    `mixed`: two pools drawn for each start. `expert`: the expert over the reference, whatever they returned.
    """
    starts = np.arange(returns.shape[1])
    draw = np.random.Generator(np.random.PCG64([seed, 31]))
    on_policy = _ranked(starts, np.full_like(starts, _FIRST), np.full_like(starts, _AGAIN), returns, usable)
    turned = draw.random(len(starts))[on_policy[:, 0]] < flipped
    noisy = np.where(turned[:, None], on_policy[:, [0, 2, 1]], on_policy)
    one = draw.integers(len(POOLS), size=len(starts))
    other = (one + draw.integers(1, len(POOLS), size=len(starts))) % len(POOLS)
    both = usable[_BEST] & usable[_FIRST]
    expert = np.stack([starts, np.full_like(starts, _BEST), np.full_like(starts, _FIRST)], axis=1)[both]
    mixed = _ranked(starts, one, other, returns, usable)
    return {"on_policy": on_policy, "noisy": noisy, "mixed": mixed, "expert": expert}


def _ranked(starts: NDArray[np.int64], one: Pairs, other: Pairs, returns: Array, usable: NDArray[np.bool_]) -> Pairs:
    first, second = returns[one, starts], returns[other, starts]
    told = usable[one, starts] & usable[other, starts] & (first != second)
    wins = first > second
    return np.stack([starts, np.where(wins, one, other), np.where(wins, other, one)], axis=1)[told]


def picture_numbers(
    sets: dict[str, Pairs], returns: Array, ratios: Array, paths: NDArray[np.float32], kind: str
) -> dict[str, object]:
    """What a picture of each set needs: differences in return, and a few pairs as paths.

    `ratios` are the reference's log-probabilities (P, N), in nats; `paths` has shape (P, N, T, 2), and `kind` says what
    they are: "tip" for places relative to the goal in metres, "return" for time and the return up to it.
    """
    out: dict[str, object] = {"kind": kind, "pools": list(POOLS), "sets": {}}
    shown: dict[str, object] = {}
    for name, pairs in sets.items():
        start, chosen, rejected = pairs.T
        ahead = returns[chosen, start] - returns[rejected, start]
        likelier = ratios[chosen, start] - ratios[rejected, start]
        few = range(0, len(pairs), max(1, len(pairs) // 5))[:5]
        shown[name] = {
            "pairs": len(pairs),
            "ahead": [round(float(v), 4) for v in ahead],
            "likelier": [round(float(v), 3) for v in likelier],
            "chosen": [np.round(paths[chosen[i], start[i]].astype(float), 4).tolist() for i in few],
            "rejected": [np.round(paths[rejected[i], start[i]].astype(float), 4).tolist() for i in few],
        }
    return out | {"sets": shown}
