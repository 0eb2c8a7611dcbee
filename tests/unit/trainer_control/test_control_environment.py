"""Episodes side by side are those of gymnasium."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from harness.protocol.job import StepError
from harness.trainer.control.controllers import Linear, noisy, reacher, search
from harness.trainer.control.environment import REACHER, lanes
from harness.trainer.control.rollout import LeadIn, centres, roll

ACTIONS = centres(11, 0.5)


def test_reacher_gives_what_gymnasium_gives() -> None:
    seeds, draw = [3, 900_000_001, 17], np.random.Generator(np.random.PCG64(1))
    actions = draw.uniform(-1, 1, size=(50, len(seeds), 2))
    world = lanes(REACHER)
    seen = [world.reset(seeds)]
    rewards = []
    for each in actions:
        now, gained, ended = world.step(each)
        seen.append(now)
        rewards.append(gained)
        assert not ended.any()
    theirs = gymnasium.make(REACHER).unwrapped
    for lane, seed in enumerate(seeds):
        first, _ = theirs.reset(seed=seed)
        assert np.array_equal(seen[0][lane], first)
        for time in range(50):
            now, reward, *_ = theirs.step(actions[time, lane])
            assert np.array_equal(seen[time + 1][lane], now), (lane, time)
            assert rewards[time][lane] == pytest.approx(reward, rel=1e-12, abs=1e-12)


def test_an_episode_does_not_depend_on_its_neighbours_or_on_those_before() -> None:
    world, actor = lanes(REACHER), noisy(reacher("expert"), ACTIONS, 0.0)
    together = roll(world, actor, np.array([5, 6, 7]), ACTIONS, 12, (1,))
    alone = roll(world, actor, np.array([6]), ACTIONS, 12, (2,))
    assert np.array_equal(together.seen[1], alone.seen[0])
    assert np.array_equal(together.rewards[1], alone.rewards[0])


def test_an_episode_that_ended_earns_nothing_more_and_is_marked() -> None:
    world = lanes("InvertedPendulum-v5")
    actions = centres(3, 3.0)
    pushed = roll(world, lambda seen, _: np.full((len(seen), 1), 2, np.uint8), np.arange(3), actions, 40, (1,))
    length = pushed.alive.sum(axis=1)
    assert (length < 40).all()
    assert np.array_equal(pushed.returns, length - 1.0)  # the step in which it fell gives nothing
    assert not pushed.seen[~pushed.alive].any()


def test_the_grades_of_controllers_are_in_order() -> None:
    world, starts = lanes(REACHER), np.arange(40)
    reached = [
        roll(world, noisy(reacher(grade), ACTIONS, 0.0), starts, ACTIONS, 50, (1,)).returns.mean()
        for grade in ("weak", "medium", "expert")
    ]
    assert reached[0] + 1 < reached[1] < reached[2] - 1


def test_a_lead_in_moves_the_start_and_nothing_else() -> None:
    world, still = lanes(REACHER), noisy(Linear(np.zeros((2, 10)), np.zeros(10), np.ones(10), 0.5), ACTIONS, 0.0)
    starts, steps = np.arange(4), np.array([0, 3, 7, 1])
    led = roll(world, still, starts, ACTIONS, 10, (1,), LeadIn(noisy(reacher("expert"), ACTIONS, 0.0), steps, (2,)))
    plain = roll(world, noisy(reacher("expert"), ACTIONS, 0.0), starts, ACTIONS, 10, (1,))
    for lane, step in enumerate(steps):
        assert np.array_equal(led.seen[lane, 0], plain.seen[lane, step])
    assert led.alive.all()
    assert (led.bins == 5).all()  # the middle bin: no action


def test_the_search_finds_what_balances() -> None:
    found = search(lanes("InvertedPendulum-v5"), 3.0, 60, 12)
    world, actions = lanes("InvertedPendulum-v5"), centres(31, 3.0)
    best, weak = (
        roll(world, noisy(found[g], actions, 0.0), np.arange(8), actions, 60, (1,)).returns.mean()
        for g in ("expert", "weak")
    )
    assert best > weak + 5


@pytest.mark.parametrize("name", ["Nowhere-v5", "CartPole-v1"])
def test_an_environment_that_will_not_do_is_the_users_fault(name: str) -> None:
    with pytest.raises(StepError) as caught:
        lanes(name)
    assert caught.value.fault == "user"
    assert caught.value.remedy
