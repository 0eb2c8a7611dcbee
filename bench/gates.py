"""`python -m bench.gates`: how often gates err and how soon they see something, by simulation. Seeded; two minutes.

The figures of docs/gates.md. Effects of prompts are normal with SD .33, cut at -1 and 1; differences of seeds are
normal with SD 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from harness.ladder.evidence import by_bets, by_t
from harness.ladder.false_discovery import e_bh
from harness.ladder.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Evidence for alpha = .05.
_ENOUGH = 20.0
_SD = 0.33


def prompts(draw: np.random.Generator, mean: float, count: int) -> Array:
    """Effects of prompts, shape (count,)."""
    return np.clip(mean + _SD * draw.normal(size=count), -1.0, 1.0)


def false_promotions(turns: int = 1000, count: int = 3000) -> Table:
    """With a look after each prompt, and nothing there."""
    kinds: dict[str, Callable[[np.random.Generator], Array]] = {
        "rewards, SD .33": lambda draw: prompts(draw, 0.0, count),
        "a judge: win, tie, loss": lambda draw: draw.choice([-1.0, 0.0, 1.0], p=[0.3, 0.4, 0.3], size=count),
        "rare losses": lambda draw: np.where(draw.uniform(size=count) < 0.02, -0.98, 0.02),
    }
    table = Table("effects without a mean", "e-process", "z-test at each look", title=f"promoted of {turns}, alpha .05")
    for name, kind in kinds.items():
        draw = np.random.Generator(np.random.PCG64(1))
        ours = naive = 0
        for _ in range(turns):
            x = kind(draw)
            ours += bool(by_bets(x).max() >= _ENOUGH)
            n = np.arange(1, count + 1)
            mean = np.cumsum(x) / n
            error = np.sqrt(np.maximum(np.cumsum(x**2) / n - mean**2, 1e-12) / n)
            naive += bool((mean[9:] > 1.645 * error[9:]).any())
        table.add_row(name, f"{ours / turns:.1%}", f"{naive / turns:.0%}")
    return table


def prompts_needed(turns: int = 300) -> Table:
    """Prompts until the evidence is enough."""
    table = Table("true effect", "median", "9 of 10 within", title="prompts until e >= 20")
    for effect, most in ((0.2, 400), (0.1, 1500), (0.05, 4000), (0.02, 16000)):
        draw = np.random.Generator(np.random.PCG64(2))
        needed = []
        for _ in range(turns):
            reached = np.flatnonzero(by_bets(prompts(draw, effect, most)) >= _ENOUGH)
            needed.append(reached[0] + 1 if reached.size else most + 1)
        table.add_row(f"{effect:g}", f"{np.median(needed):.0f}", f"{np.quantile(needed, 0.9):.0f}")
    return table


def seeds_needed(turns: int = 1000) -> Table:
    """How often a loss that is better by so many SDs of a paired difference is found, by the number of seeds."""
    table = Table("effect / SD", *(f"{n} seeds" for n in (3, 5, 7, 10)), title="found: evidence >= 20 | t, one look")
    for effect in (0.0, 1.0, 2.0, 4.0, 8.0):
        cells = []
        for n in (3, 5, 7, 10):
            draw = np.random.Generator(np.random.PCG64(3))
            gate = Gate("score", 0.0, 0.1, (n,), undecided="reject")  # 5 % on the one side that promotes
            base = {seed: {"score": 0.0} for seed in range(n)}
            found = np.zeros(2)
            for _ in range(turns):
                gaps = effect + draw.normal(size=n)
                decision = gate.decide({seed: {"score": float(gap)} for seed, gap in enumerate(gaps)}, base)
                found += by_t(gaps.tolist()) >= _ENOUGH, decision is not None and decision.decision == "promote"
            cells.append(f"{found[0] / turns:.0%} | {found[1] / turns:.0%}")
        table.add_row(f"{effect:g}", *cells)
    return table


def many_candidates(turns: int = 100) -> Table:
    """A hundred candidates, ten of them better by 3 SD, seven seeds, the baseline's noise in all of them."""
    draw = np.random.Generator(np.random.PCG64(4))
    effects = np.repeat([0.0, 3.0], [90, 10])
    wrong, share, found = [], [], []
    for _ in range(turns):
        shared = draw.normal(size=7)
        gaps = effects[:, None] + (draw.normal(size=(100, 7)) + shared) / np.sqrt(2.0)
        evidence = {run: by_t(row.tolist()) for run, row in enumerate(gaps)}
        named, _ = e_bh(evidence, 0.05)
        wrong.append(sum(e >= _ENOUGH for run, e in evidence.items() if run < 90))
        share.append(sum(run < 90 for run in named) / max(len(named), 1))
        found.append(sum(run >= 90 for run in named))
    table = Table("", "", title="90 candidates as good as the baseline, 10 better by 3 SD, 7 seeds")
    table.add_row("false, one threshold of 20 for each", f"{np.mean(wrong):.2f} a search")
    table.add_row("false share of discoveries, e-BH at .05", f"{np.mean(share):.1%}")
    table.add_row("discoveries of the 10", f"{np.mean(found):.1f}")
    return table


@click.command()
@click.option("--turns", type=click.IntRange(1), help="Of each simulation, in place of hundreds.")
def main(turns: int | None) -> None:
    """Print the four tables."""
    console = Console(width=110)
    for part in (false_promotions, prompts_needed, seeds_needed, many_candidates):
        console.print(part(turns) if turns else part())


if __name__ == "__main__":
    main()
