"""The win rate at equal style: a taste for style is taken out, and what is left is not."""

from __future__ import annotations

import random

from harness.llm_judge.arena import Styled, at_equal_style


def styled(draw: random.Random) -> str:
    text = "word " * draw.randint(5, 60)
    text += "".join(f"\n# part {n}" for n in range(draw.randint(0, 4)))
    return text + "\n- item" * draw.randint(0, 6) + " **bold**" * draw.randint(0, 3)


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated
    # Ours is styled more often: a judge that likes that prefers it.
    return [(styled(draw) + "\n# more\n- and more" * 3, styled(draw)) for _ in range(count)]


def test_a_taste_for_style_is_taken_out() -> None:
    draw = random.Random(1)  # noqa: S311 - as above
    compared = [
        Styled(0.9 if draw.random() < 0.5 + 0.45 * (a.count("#") > b.count("#")) else 0.1, a, b)
        for a, b in pairs(300, 0)
    ]
    plain = sum(one.preference for one in compared) / len(compared)
    found = at_equal_style(compared)
    assert plain > 0.65
    assert found.win_rate < plain - 0.1
    assert found.low <= found.win_rate <= found.high
    assert at_equal_style(compared) == found


def test_what_has_nothing_to_do_with_style_stays() -> None:
    draw = random.Random(2)  # noqa: S311 - as above
    compared = [Styled(float(draw.random() < 0.8), *pair[:: draw.choice((1, -1))]) for pair in pairs(300, 3)]
    assert abs(at_equal_style(compared).win_rate - 0.8) < 0.08


def test_one_side_that_always_wins_and_answers_alike_have_a_figure() -> None:
    assert at_equal_style([Styled(1.0, "a", "b")] * 20).win_rate > 0.95
    assert at_equal_style([Styled(0.5, "", "")] * 3).win_rate == 0.5
    one = at_equal_style([Styled(1.0, "a", "b")])
    assert one.low != one.low, "one prompt has no interval"
