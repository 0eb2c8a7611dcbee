"""Environments of gymnasium's MuJoCo suite, many episodes side by side."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium
import mujoco
import numpy as np
from mujoco.batch import Batch

from harness.protocol.job import StepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: The quick default; every other environment is stepped by gymnasium itself.
REACHER = "Reacher-v5"
#: So many episodes are under way at once, whatever is asked for: it bounds memory.
SIDE_BY_SIDE = 512


class Lanes(Protocol):
    """A number of episodes that go on in step. `bound` is the largest action of the environment, for each dimension."""

    observation_size: int
    action_size: int
    bound: float

    def reset(self, seeds: Sequence[int]) -> Array:
        """Begin one episode for each seed, as gymnasium's `reset(seed=...)` does; observations, shape (n, O)."""

    def step(self, actions: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Act, shape (n, D): the observations (n, O), rewards (n,), and which episodes have ended (n,)."""


def lanes(name: str) -> Lanes:
    """The environment of that name. Raises StepError (the user's) where gymnasium has none that would do."""
    mujoco.set_mju_user_warning(_warn)
    try:
        environment: Any = gymnasium.make(name).unwrapped
    except gymnasium.error.Error as error:
        raise StepError(
            f"gymnasium has no environment {name!r}", fault="user", remedy="name one of its MuJoCo suite, version 5"
        ) from error
    if not isinstance(getattr(environment, "model", None), mujoco.MjModel):
        raise StepError(f"{name} is no environment of the MuJoCo suite", fault="user", remedy=f"such as {REACHER}")
    return _Reacher(environment) if name == REACHER else _Stepped(name, environment)


class _Reacher:
    """The two-link arm, in MuJoCo's own batch. The same observations as gymnasium's, which the tests compare."""

    def __init__(self, environment: Any) -> None:
        self._environment, self._batch = environment, None
        self._tip, self._target = (environment.model.body(name).id for name in ("fingertip", "target"))
        self.observation_size, self.action_size, self.bound = 10, 2, 1.0

    def reset(self, seeds: Sequence[int]) -> Array:
        batch: Any = self._batch
        if batch is None or batch.nsim != len(seeds):
            self._batch = batch = Batch(self._environment.model, nsim=len(seeds), nthread=1)
        batch.bind("xpos")
        batch.reset(stage=mujoco.mjtStage.mjSTAGE_NONE)
        for lane, seed in enumerate(seeds):
            self._environment.reset(seed=int(seed))
            batch.qpos[lane], batch.qvel[lane] = self._environment.data.qpos, self._environment.data.qvel
        batch.forward()
        return self._observe()

    def step(self, actions: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        batch: Any = self._batch
        batch.ctrl[:] = actions
        batch.step(nstep=self._environment.frame_skip)
        away = batch.xpos[:, self._tip] - batch.xpos[:, self._target]
        rewards = -np.sqrt(np.square(away).sum(axis=1)) - np.square(actions).sum(axis=1)
        return self._observe(), rewards, np.zeros(len(actions), dtype=np.bool_)

    def _observe(self) -> Array:
        batch: Any = self._batch
        angles = batch.qpos[:, :2]
        away = batch.xpos[:, self._tip, :2] - batch.xpos[:, self._target, :2]
        return np.concatenate([np.cos(angles), np.sin(angles), batch.qpos[:, 2:], batch.qvel[:, :2], away], axis=1)


class _Stepped:
    """Any other environment: one of gymnasium's for each episode. An ended episode is left alone, with reward 0."""

    def __init__(self, name: str, first: Any) -> None:
        self._name, self._all = name, [first]
        self.observation_size = int(first.observation_space.shape[0])
        self.action_size = int(first.action_space.shape[0])
        self.bound = float(first.action_space.high.max())
        self._ended, self._seen = np.zeros(0, dtype=np.bool_), np.zeros((0, 0))

    def reset(self, seeds: Sequence[int]) -> Array:
        while len(self._all) < len(seeds):
            self._all.append(gymnasium.make(self._name).unwrapped)
        self._ended = np.zeros(len(seeds), dtype=np.bool_)
        self._seen = np.stack([self._all[i].reset(seed=int(seed))[0] for i, seed in enumerate(seeds)])
        return self._seen.copy()

    def step(self, actions: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        rewards = np.zeros(len(actions))
        for lane in np.flatnonzero(~self._ended):
            seen, reward, terminated, _, _ = self._all[lane].step(actions[lane])
            self._seen[lane], rewards[lane], self._ended[lane] = seen, reward, terminated
        return self._seen.copy(), rewards, self._ended.copy()


def _warn(text: Any) -> None:
    """MuJoCo's warnings go to the log; by itself it would write a file into the working folder."""
    logging.getLogger(__name__).warning("MuJoCo: %s", text)
