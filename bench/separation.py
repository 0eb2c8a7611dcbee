"""`python -m bench.separation [--check]`: docs/separation.md, from what training rungs were measured to make of losses.

`--check` first puts every loss to the properties, in containers, and keeps which rule each fell by; the rest is read
from control.json and reviews.json, which `python -m bench.control` and `python -m bench.reviews measure` write.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench import control, reviews
from harness.core.profiles import DEFAULT
from harness.ladder.gate import interval
from harness.ladder.ladder import load
from harness.losses import CATALOGUE, source_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ROOT = Path(__file__).parent.parent
CHECKED = Path(__file__).parent / "separation.json"
PAGE = _ROOT / "docs" / "separation.md"
_GOOD = tuple(entry.name for entry in CATALOGUE)
_HEAD = """# What the training rungs make of known losses

Made by `python -m bench.separation` from `bench/control.json` (`python -m bench.control`) and `bench/reviews.json`
(`python -m bench.reviews measure`); three paired seeds each, trained in this process by the code that trains over the
oracle. Intervals are 95 %, over seeds. Decisions are those of the ladders {ladders}, as seeds come
in; where more seeds would be needed it is `open`. The last column says which property stops a broken loss before
anything is trained (`python -m bench.separation --check`); `none` means that its answers alone are those of a loss that
might work, so that only training tells. Each broken loss is stopped by the one or by the other. The rows of AQL
and PFL, in both of their forms, were measured later than the others, beside DPO's (whose row on control they brought).
"""


def texts() -> dict[str, str]:
    """All losses of the two tables by name, as candidates. Of two broken ones of a name, that of control."""
    from bench.reviews_losses import BROKEN, text  # noqa: PLC0415 - loads torch

    return {
        **{name: source_text(name) for name in _GOOD},
        **{name: text(name) for name in BROKEN},
        **{name: control.text_of(name) for name in control.BROKEN},
    }


def check(names: Collection[str]) -> dict[str, str]:
    """The rule that each loss (all: none is named) falls by, empty where it is accepted: judged in containers."""
    from harness.api import check as judge  # noqa: PLC0415 - loads what judges
    from harness.checks.options import Options  # noqa: PLC0415 - as above
    from harness.core.verdict import Accepted, Rejected  # noqa: PLC0415 - as above

    found = {}
    with tempfile.TemporaryDirectory() as name:
        paths = {}
        for loss, text in texts().items():
            if names and loss not in names:
                continue
            paths[loss] = Path(name) / f"{loss}.py"
            paths[loss].write_text(text, "utf-8")
        report = judge(list(paths.values()), Options(gpu="none"))
    for loss, result in zip(paths, report.results, strict=True):
        if isinstance(result.verdict, Rejected):
            found[loss] = result.verdict.findings[0].rule
        elif isinstance(result.verdict, Accepted):
            found[loss] = ""
        else:
            raise TypeError(f"{loss} was not decided: {result.verdict}")
    return found


def page() -> str:
    """The page."""
    checked = json.loads(CHECKED.read_text("utf-8"))["fell_by"]
    ladders = f"`{load('control').name}` and `{load('reviews').name}`"
    parts = [_HEAD.format(ladders=ladders)]
    parts += ["## Control\n", *_table(_control(), checked, "score | less DPO's | KL, nats")]
    parts += ["\n## Controlled generation\n", *_table(_reviews(), checked, "reward | less DPO's | KL, nats | grammar")]
    return "\n".join(parts) + "\n"


def _table(rows: Iterator[tuple[str, list[str], str]], checked: dict[str, str], columns: str) -> list[str]:
    good, broken = [], []
    for name, cells, decision in rows:
        line = f"| `{name}` | {' | '.join(cells)} | {decision}"
        if name in _GOOD:
            good.append(f"{line} |")
        else:
            broken.append(f"{line} | {checked[name] or 'none'} |")
    count = columns.count("|") + 3
    head = [f"| loss | {columns} | gate |", "|---" * count + "|"]
    worse = [f"| broken | {columns} | gate | property |", "|---" * (count + 1) + "|"]
    return [*head, *good, "", *worse, *broken]


def _control() -> Iterator[tuple[str, list[str], str]]:
    for row in json.loads(control.RESULTS.read_text("utf-8"))["rows"]:
        apart = row.get("against_dpo")
        less = f"{apart[0]:+.2f} ({apart[1]:+.2f} to {apart[2]:+.2f})" if apart else ""
        kl = f"{row['kl'][0]:.1f}" if row["kl"] else ""
        yield row["loss"], [f"{row['score'][0]:.2f}", less, kl], _short(row["decision"])


def _reviews() -> Iterator[tuple[str, list[str], str]]:
    from bench.reviews_losses import BROKEN  # noqa: PLC0415 - loads torch

    gate = load("reviews").rungs[-1].gate
    assert gate is not None
    found = reviews.scores((*_GOOD, *BROKEN))
    base = found["dpo"]
    means = {name: sum(m["reward"] for m in by.values()) / len(by) for name, by in found.items() if by}
    for name in sorted(means, key=lambda each: -means[each]):
        by = found[name]
        apart = [by[s]["reward"] - base[s]["reward"] for s in by]
        low, high = interval(apart, 0.05)
        less = f"{sum(apart) / len(apart):+.3f} ({low:+.3f} to {high:+.3f})" if name != "dpo" else ""
        cells = [f"{means[name]:.3f}", less, _range(by, "kl", 2), _range(by, "grammar", 2)]
        yield name, cells, _short(control.decided(gate, by, base))


def _range(by: dict[int, dict[str, float]], metric: str, places: int) -> str:
    values = [m[metric] for m in by.values() if metric in m]
    if not values:
        return ""
    low, high = (f"{value:.{places}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _short(decision: str) -> str:
    """A rejection in full, since it names its rail; of a promotion the word."""
    word, _, reason = decision.partition(": ")
    return f"reject: {reason}" if word == "reject" else word


@click.command()
@click.option("--check", "checking", is_flag=True, help="Put all losses to the properties first, in containers.")
@click.option("--loss", "names", multiple=True, help="With --check: only this one; may be given again.")
def main(*, checking: bool, names: tuple[str, ...]) -> None:
    """Write docs/separation.md."""
    if checking:
        kept = json.loads(CHECKED.read_text("utf-8"))["fell_by"] if names else {}
        told = {"properties": DEFAULT, "fell_by": kept | check(names)}
        CHECKED.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
