"""What a check can miss: `python -m bench.power measure` and `state`, then `show` writes docs/power.md and its picture.

A loss that is DPO but for one fault is put to the properties, again and again with the fault in another place drawn at
random, and each property that notices is counted. The faulty losses answer by formula in this process (as
`harness.checks.reference_oracle` does), so that hundreds of them can be judged; the questions are those that a check
asks. Losses that count their calls are checked in containers (`state`), since it takes a second one to find them.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import numpy as np
from scipy.stats import beta as beta_distribution

from harness.checks.bank import made_of
from harness.checks.options import Options
from harness.checks.reference_oracle import ReferenceOracle
from harness.checks.run import check
from harness.checks.suite import Suite
from harness.core.domain import Domain
from harness.core.files import write_whole
from harness.core.profiles import DEFAULT, load
from harness.core.verdict import Severity
from harness.subject.preference import PreferenceSubject
from harness.subject.realistic import realistic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.protocol.batch import Answer, Batch, Complaint
    from harness.protocol.batch_types import PairBatch

    Fault = Callable[[PairBatch, Answer], Answer]

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("power.json")
PAGE = ROOT / "docs" / "power.md"
HEAD = """# What a check can miss

Written by `python -m bench.power show` from `bench/power.json` (`python -m bench.power measure`). Each line: a loss
that is DPO but for one fault of this size, put somewhere else each time, judged by the properties of profile
{name}; how often any of them noticed, with the interval of Clopper and Pearson, and which noticed most often. A
region is a half-space of what a pair looks like (both drifts, the reference's margin, nats a token, the ratio of
lengths) in a direction drawn at random; a wedge is where two of them meet.

![How often a fault of a given size is caught](power.svg)

Not measured here: faults in other shapes than these (a region that is none of these, a window of a length or of
beta), and what is hidden on purpose from questions that are public.
"""
STALE = """**Measured with earlier questions than those that are asked today.** What today's find was not measured yet:
`python -m bench.power measure` and `state` do that.
"""
#: A loss with a memory: right for so many calls, then turned round. The screen would not let it in, so it is off.
COUNTING = """import torch.nn.functional as F

calls = [0]


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    calls[0] += 1
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return F.softplus(beta * rho if calls[0] > {calls} else -beta * rho)
"""
#: After how many calls of one life.
CALLS = (0, 10, 100, 1000, 4000, 8000, 9000, 10_000, 20_000)
STATE = "State: right at first, then turned round"
BEFORE = "calls of one life before it turns"
HOW = "In containers, screen off, at seeds from 0. A training asks one batch in twenty again for what comes later."


@dataclass(frozen=True)
class Family:
    """A kind of fault: what its size is, the sizes that are tried, and how one is made at a place drawn at random."""

    name: str
    title: str
    size: str
    sizes: tuple[float, ...]
    make: Callable[[float, np.random.Generator], Fault]


class Faulty(ReferenceOracle):
    """DPO by its formula, with a fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(gpu=False)
        self._fault = fault

    def ask(self, batches: Sequence[Batch], **named: Any) -> list[Answer | Complaint]:
        """As DPO, and then the fault."""
        answers = cast("list[Answer]", super().ask(batches, **named))  # a formula raises nothing
        return [self._fault(b, a) for b, a in zip(cast("Sequence[PairBatch]", batches), answers, strict=True)]


def _nan_window(width: float, draw: np.random.Generator) -> Fault:
    """NaN where rho lies in a window of this width in nats, somewhere between -20 and 20."""
    low = draw.uniform(-20.0, 20.0 - width)

    def fault(batch: PairBatch, answer: Answer) -> Answer:
        inside = (batch.rho >= low) & (batch.rho < low + width)
        return replace(answer, values=np.where(inside, np.nan, answer.values)) if inside.any() else answer

    return fault


def _features(batch: PairBatch) -> np.ndarray:
    """What a region may be cut by, shape (5, B): drifts, reference margin, nats a token, lengths; all of like size."""
    pc, pr, rc, rr, lc, lr = (v.astype(np.float64) for v in batch.tensors)
    signed = [np.sign(x) * np.log1p(np.abs(x)) for x in (pc - rc, pr - rr, rc - rr)]
    return np.stack([*signed, np.log(np.maximum(-rc, 1e-9) / lc), np.log(lc / lr)])


def _region(share: float, draw: np.random.Generator, *, sides: int = 1) -> Callable[[PairBatch], np.ndarray]:
    """A half-space of the features, in a direction drawn at random, that holds this share of the realistic pairs.

    With two `sides`, a wedge: where two half-spaces meet that are equally large.
    """
    ways = draw.normal(size=(sides, 5))
    seen = np.concatenate([ways @ _features(realistic(4096 + seed, 64)) for seed in range(64)], axis=1)
    middle, spread = np.median(seen, axis=1)[:, None], seen.std(axis=1)[:, None]
    edge = np.quantile(((seen - middle) / spread).min(axis=0), 1.0 - share)
    return lambda batch: ((ways @ _features(batch) - middle) / spread).min(axis=0) > edge


def _inverted(share: float, draw: np.random.Generator, *, sides: int = 1) -> Fault:
    """Value and gradient of the exchanged pair in a region."""
    region = _region(share, draw, sides=sides)

    def fault(batch: PairBatch, answer: Answer) -> Answer:
        inside = region(batch)
        if not inside.any():
            return answer
        x = (batch.beta * batch.rho).astype(answer.values.dtype)
        slope = (batch.beta / batch.pairs / (1.0 + np.exp(-x))).astype(x.dtype)
        return replace(
            answer,
            values=np.where(inside, np.logaddexp(0.0, x), answer.values),
            gradients=(
                np.where(inside, slope, answer.grad_chosen),
                np.where(inside, -slope, answer.grad_rejected),
            ),
        )

    return fault


def _wrong_gradient(error: float, draw: np.random.Generator) -> Fault:
    """Gradients larger by this share of themselves, in a tenth of the realistic pairs."""
    region = _region(0.1, draw)

    def fault(batch: PairBatch, answer: Answer) -> Answer:
        factor = np.where(region(batch), 1.0 + error, 1.0)
        return replace(answer, gradients=tuple((factor * g).astype(g.dtype) for g in answer.gradients))

    return fault


def _turned_gradient(share: float, draw: np.random.Generator) -> Fault:
    """Gradients turned round in a region, values as they were."""
    region = _region(share, draw)

    def fault(batch: PairBatch, answer: Answer) -> Answer:
        sign = np.where(region(batch), -1.0, 1.0).astype(answer.grad_chosen.dtype)
        return replace(answer, gradients=tuple(sign * g for g in answer.gradients))

    return fault


FAMILIES = (
    Family(
        "nan",
        "NaN in a window of margins",
        "width of the window of rho, nats",
        (0.0001, 0.001, 0.01, 0.0625, 0.25),
        _nan_window,
    ),
    Family(
        "inverted",
        "Values and gradients turned round in a region",
        "share of the realistic pairs",
        (0.0001, 0.001, 0.003, 0.01, 0.1),
        _inverted,
    ),
    Family(
        "wedge",
        "Values and gradients turned round in a wedge",
        "share of the realistic pairs",
        (0.0001, 0.001, 0.003, 0.01, 0.1),
        functools.partial(_inverted, sides=2),
    ),
    Family(
        "turned gradient",
        "Gradients alone turned round in a region",
        "share of the realistic pairs",
        (0.0001, 0.001, 0.003, 0.01, 0.1),
        _turned_gradient,
    ),
    Family(
        "wrong gradient",
        "Gradients too large in a tenth of the pairs",
        "error, in a tenth of the pairs",
        (0.0003, 0.001, 0.003, 0.03, 0.3),
        _wrong_gradient,
    ),
)


@click.group()
def main() -> None:
    """Measure what a check can miss."""


@main.command()
@click.option("--places", default=24, show_default=True, help="Places at which each fault is tried.")
@click.option("--minutes", default=1e9, help="Begin nothing after this time; what was measured is kept.")
def measure(places: int, minutes: float) -> None:
    """Judge faulty losses. What lies in power.json with the same questions is not measured again."""
    ends = time.monotonic() + 60.0 * minutes
    profile = load(DEFAULT)
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if kept.get("questions") != made_of(profile, 0):
        kept = {"questions": made_of(profile, 0), "name": profile.name, "runs": {}}
    wanted = [(f, size, place) for place in range(places) for f in FAMILIES for size in f.sizes]
    wanted = [one for one in wanted if _key(*one) not in kept["runs"]]

    suite = Suite(profile, 0)
    suite.know()
    for family, size, place in wanted:
        if time.monotonic() > ends:
            break
        draw = np.random.Generator(np.random.PCG64([place, *family.name.encode()]))
        noticed = suite.noticed(PreferenceSubject(Faulty(family.make(size, draw)), Domain()))
        kept["runs"][_key(family, size, place)] = sorted(noticed)
        write_whole(RESULTS, (json.dumps(kept, indent=0, sort_keys=True) + "\n").encode())


def _key(family: Family, size: float, place: int) -> str:
    return f"{family.name}/{size:g}/{place}"


@main.command()
@click.option("--seeds", default=3, show_default=True, help="Seeds at which each loss is checked.")
def state(seeds: int) -> None:
    """Check losses that turn round after some calls, in containers."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    if kept.get("questions") != made_of(load(DEFAULT), 0):
        raise click.UsageError("power.json has answers to other questions: `python -m bench.power measure` comes first")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"after_{calls}.py") for calls in CALLS]
        for path, calls in zip(paths, CALLS, strict=True):
            path.write_text(COUNTING.format(calls=calls), "utf-8")
        for seed in range(seeds):
            report = check(paths, Options(screen=False, seed=seed, gpu="none"))
            for calls, result in zip(CALLS, report.results, strict=True):
                found = {f.rule for f in result.verdict.findings if f.severity is Severity.ERROR}
                kept["runs"][f"state/{calls:g}/{seed}"] = sorted(found)
    write_whole(RESULTS, (json.dumps(kept, indent=0, sort_keys=True) + "\n").encode())


@main.command()
def show() -> None:
    """Write docs/power.md and its picture from what was measured."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    lines = [HEAD.format(name=kept["name"])]
    if kept.get("questions") != made_of(load(DEFAULT), 0):
        lines += [STALE]
    families = [(f.name, f.title, f.size, f.sizes) for f in FAMILIES] + [("state", STATE, BEFORE, CALLS)]
    curves = {}
    for name, title, size, numbers in families:
        points = [(number, found) for number in numbers if (found := _found(kept, name, number))]
        if not points:
            continue  # not measured yet
        curves[title] = (size, points)
        lines += [f"## {title}", "", f"Size: {size}.{f' {HOW}' if title == STATE else ''}", ""]
        lines += ["| size | caught | 95 % interval | most often by |", "|---|---|---|---|"]
        for number, found in points:
            caught = sum(bool(rules) for rules in found)
            low, high = interval(caught, len(found))
            by = Counter(rule for rules in found for rule in rules).most_common(4)
            words = ", ".join(f"{rule} {n / len(found):.0%}" for rule, n in by)
            lines.append(f"| {number:g} | {caught} of {len(found)} | {low:.0%} to {high:.0%} | {words or 'none'} |")
        lines.append("")
    PAGE.write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    from bench.power_picture import draw  # noqa: PLC0415 - loads matplotlib

    draw(curves, PAGE.with_suffix(".svg"), interval)
    click.echo(f"wrote {PAGE.relative_to(ROOT)} and its picture")


def _found(kept: dict[str, Any], name: str, size: float) -> list[list[str]]:
    """The rules that noticed, for each place or seed that was tried."""
    return [rules for key, rules in kept["runs"].items() if key.startswith(f"{name}/{size:g}/")]


def interval(caught: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Clopper and Pearson)."""
    low = 0.0 if caught == 0 else float(beta_distribution.ppf(0.025, caught, of - caught + 1))
    high = 1.0 if caught == of else float(beta_distribution.ppf(0.975, caught + 1, of - caught))
    return low, high


if __name__ == "__main__":
    main()
