"""The data of one seed: reference policy, trajectories of every pool, preference sets, and the scale of scores.

A preference set says which of two trajectories from the same start is called the better one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.protocol.job import Progress, StepError
from harness.trainer.checkpoint import Pieces
from harness.trainer.control import controllers, kept
from harness.trainer.control.environment import REACHER, lanes
from harness.trainer.control.policy import Policy, clone, sampler
from harness.trainer.control.rollout import LeadIn, Trajectories, centres, roll
from harness.trainer.control.settings import SETS, TRAINING_ONLY, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from harness.protocol.job import Job, Say
    from harness.trainer.control.environment import Lanes
    from harness.trainer.control.rollout import Actor

    Array = NDArray[np.float64]
    #: Start, pool of the chosen trajectory, pool of the rejected one; shape (M, 3).
    Pairs = NDArray[np.int64]

#: Numbers of starts: those of a data seed, those that policies are scored on, and those that are shown for cloning.
_STARTS, _SCORED, _SHOWN = 1_000_000, 900_000_000, 800_000_000
_CLONED_FROM = 512
#: Who acted in the trajectories of each pool; the reference twice, with different noise.
POOLS = ("reference", "reference_again", "weak", "medium", "expert")
_FIRST, _AGAIN, _BEST = 0, 1, POOLS.index("expert")


@dataclass(frozen=True)
class Data:
    """What `prepare` made. Trajectories have shape (P, N, T, ...); `pairs` as `harness.trainer.control.data` has them.

    `nothing`, `reference` and `best` are mean returns over the fixed starts: of the uniform policy, of the reference
    and of the expert. A score is 0 at the reference's and 1 at the expert's.
    """

    seen: torch.Tensor
    bins: torch.Tensor
    alive: torch.Tensor
    reference_logps: torch.Tensor
    pairs: dict[str, torch.Tensor]
    policy: Policy
    nothing: float
    reference: float
    best: float
    digest: str

    def score(self, mean_return: float) -> float:
        """Normalise a mean return."""
        return (mean_return - self.reference) / (self.best - self.reference)


def prepare(job: Job, say: Say) -> dict[str, float]:
    """Make the data of `job.seed` in `job.out`, from the pieces that are there.

    The same settings and seed give the same bytes, however often it was killed on the way.
    """
    settings, folder = Settings.of(job.settings), Path(job.out)
    pieces = Pieces(folder, repr((job.seed, _made_with(settings))))
    world, total = lanes(settings.environment), 3 + len(POOLS)
    actions = centres(settings.bins, min(settings.bound, world.bound))
    graded = _controllers(settings, world, actions, say, pieces)
    say(Progress(1, total, "reference"))
    noise = settings.noise * float(actions[-1])
    actors: dict[str, Actor] = {name: controllers.noisy(law, actions, noise) for name, law in graded.items()}

    def cloned() -> dict[str, torch.Tensor]:
        shown = np.arange(_SHOWN, _SHOWN + _CLONED_FROM)
        followed = roll(world, actors["medium"], shown, actions, settings.horizon, (0, 51))
        return clone(followed, settings.bins, settings.hidden, settings.clone_steps).state_dict()

    policy = Policy(world.observation_size, world.action_size, settings.bins, settings.hidden)
    policy.load_state_dict(pieces.get("reference", cloned))
    say(Progress(2, total, "scale of scores"))
    scale = pieces.get("scale", lambda: _scale(settings, world, actions, policy, graded["expert"]))
    actors |= dict.fromkeys(POOLS[:2], sampler(policy))
    pools = _pools(job.seed, settings, world, actions, actors, say, pieces)
    made = _write(job, settings, folder, policy, pools, scale)
    pieces.clear()
    return made


def _made_with(settings: Settings) -> dict[str, object]:
    """The settings that the data depend on."""
    return {k: v for k, v in dataclasses.asdict(settings).items() if k not in TRAINING_ONLY}


def _controllers(
    settings: Settings, world: Lanes, actions: Array, say: Say, pieces: Pieces
) -> dict[str, controllers.Law]:
    if settings.environment == REACHER:
        return {grade: controllers.reacher(grade) for grade in controllers.GRADES}
    return dict(controllers.search(world, float(actions[-1]), settings.horizon, settings.search_steps, say, pieces))


def _scale(
    settings: Settings, world: Lanes, actions: Array, policy: Policy, expert: controllers.Law
) -> dict[str, float]:
    uniform: Actor = lambda _, noise: noise.argmax(axis=2).astype(np.uint8)  # noqa: E731 - an actor among actors
    who = {"nothing": uniform, "reference": sampler(policy), "best": controllers.noisy(expert, actions, 0.0)}
    found = {name: float(scored(settings, world, actor).returns.mean()) for name, actor in who.items()}
    if not found["best"] > found["reference"]:
        raise StepError(
            f"the expert returns {found['best']:.4g}, no more than the reference ({found['reference']:.4g})",
            fault="user",
            remedy="raise search_steps, or lower noise",
        )
    return found


def scored(settings: Settings, world: Lanes, actor: Actor) -> Trajectories:
    """Let it act from the fixed starts with the fixed noise: the same for every policy that is ever scored."""
    actions = centres(settings.bins, min(settings.bound, world.bound))
    starts = np.arange(_SCORED, _SCORED + settings.evaluations)
    return roll(world, actor, starts, actions, settings.horizon, (0, 52))


def _pools(
    seed: int, settings: Settings, world: Lanes, actions: Array, actors: dict[str, Actor], say: Say, pieces: Pieces
) -> list[Trajectories]:
    starts = np.arange(settings.prompts) + (seed + 1) * _STARTS
    draw = np.random.Generator(np.random.PCG64([seed, 53]))
    lead = None
    if settings.lead_in:
        lead = LeadIn(actors["medium"], draw.integers(settings.lead_in + 1, size=settings.prompts), (seed, 54))
    out = []
    for place, name in enumerate(POOLS):
        say(Progress(3 + place, 3 + len(POOLS), f"trajectories: {name}"))
        act = partial(roll, world, actors[name], starts, actions, settings.segment, (seed, 55, place), lead)

        def made(act: Callable[[], Trajectories] = act) -> dict[str, torch.Tensor]:
            return {k: torch.from_numpy(v) for k, v in vars(act()).items()}

        kept_as = pieces.get(f"pool-{name}", made)
        out.append(Trajectories(**{k: v.numpy() for k, v in kept_as.items()}))
    return out


def _write(
    job: Job, settings: Settings, folder: Path, policy: Policy, pools: list[Trajectories], scale: dict[str, float]
) -> dict[str, float]:
    seen, bins, alive = (torch.from_numpy(np.stack([getattr(p, k) for p in pools])) for k in ("seen", "bins", "alive"))
    with torch.no_grad():
        logps = torch.stack([policy.of_trajectories(s, b, a) for s, b, a in zip(seen, bins, alive, strict=True)])
    returns = np.stack([p.returns for p in pools])
    sets = preference_sets(returns, alive.any(-1).numpy(), settings.flipped, job.seed)
    if empty := [name for name in SETS if not len(sets[name])]:
        raise StepError(f"no pair is left in {empty[0]}", fault="user", remedy="raise prompts or segment")
    tensors = {"seen": seen, "bins": bins, "alive": alive, "reference_logps": logps}
    tensors |= {"returns": torch.from_numpy(returns)}
    tensors |= {f"pairs_{name}": torch.from_numpy(sets[name]) for name in SETS}
    tip = settings.environment == REACHER
    paths = seen[..., 8:10].numpy() if tip else _climbs(pools)
    numbers = picture_numbers(sets, returns, logps.double().numpy(), paths, "tip" if tip else "return")
    digests = {
        "data.safetensors": kept.write_tensors(folder / "data.safetensors", tensors),
        "reference.safetensors": kept.write_tensors(folder / "reference.safetensors", policy.state_dict()),
        "picture.json": kept.write_json(folder / "picture.json", numbers),
    }
    kept.close(folder, digests, {"settings": _made_with(settings), "seed": job.seed, "scale": scale})
    return scale | {f"pairs_{name}": float(len(sets[name])) for name in SETS}


def _climbs(pools: list[Trajectories]) -> NDArray[np.float32]:
    """For each trajectory the return up to each step, shape (P, N, T, 2)."""
    grown = np.stack([p.rewards.cumsum(axis=1) for p in pools])
    time = np.broadcast_to(np.arange(grown.shape[-1], dtype=np.float64), grown.shape)
    return np.stack([time, grown], axis=-1).astype(np.float32)


def read(folder: Path, settings: Settings, seed: int) -> Data:
    """Read prepared data. Raises StepError where they are damaged, or were made with other settings."""
    about = kept.opened(folder)
    if about.get("settings") != _made_with(settings) or about.get("seed") != seed:
        raise StepError("these data were made for other settings or another seed", remedy="prepare them again")
    tensors = kept.read_tensors(folder / "data.safetensors")
    policy = Policy(tensors["seen"].shape[-1], tensors["bins"].shape[-1], settings.bins, settings.hidden)
    return Data(
        **{name: tensors[name] for name in ("seen", "bins", "alive", "reference_logps")},
        pairs={name: tensors[f"pairs_{name}"] for name in SETS},
        policy=load_policy(policy, kept.read_tensors(folder / "reference.safetensors")),
        **about["scale"],
        digest=about["digests"]["data.safetensors"],
    )


def load_policy(policy: Policy, weights: dict[str, torch.Tensor]) -> Policy:
    """Give a policy these weights. Raises StepError where they are of another shape."""
    try:
        policy.load_state_dict(weights)
    except RuntimeError as error:
        raise StepError(f"these weights are of another policy: {error}") from error
    return policy


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
