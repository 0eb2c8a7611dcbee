"""What batches look like in training, and what the realistic generator draws, beside each other.

`python -m bench.training_batches log` trains DPO on the rungs `reviews`, `control` and a small fine-tune, and keeps of
every batch what the loss was asked; `picture` draws those numbers beside `harness.subject.realistic` and beside the
older generator, and prints the figures of docs/realistic.md.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).parents[1]
LOGGED = Path(__file__).with_name("training_batches.json")
PICTURE = ROOT / "docs" / "realistic.svg"
#: Pairs that are kept of each rung, drawn from all of its batches.
KEPT = 3000
#: What is looked at of a pair, with the words of the picture.
LOOKS = {
    "chosen": "drift of chosen, log pi - log ref (nats)",
    "rejected": "drift of rejected (nats)",
    "reference": "reference margin, chosen less rejected (nats)",
    "nats": "nats a token of the reference",
    "length": "tokens of a completion",
    "ratio": "longer over shorter completion",
}


class Logged:
    """A loss that keeps what it is asked, and passes the question on."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.smallest = inner, inner.smallest
        self.pairs: list[np.ndarray] = []
        self.sizes: set[int] = set()

    def __call__(self, *four_and_beta: Any, **more: Any) -> Any:
        """As the loss inside."""
        vectors = (*four_and_beta[:4], more["chosen_lengths"], more["rejected_lengths"])
        rows = np.stack([v.detach().double().cpu().numpy() for v in vectors], axis=1)
        progress = np.full((len(rows), 1), more["progress"])
        self.pairs.append(np.concatenate([rows, progress], axis=1))
        self.sizes.add(len(rows))
        return self._inner(*four_and_beta, **more)


@click.group()
def main() -> None:
    """Look at the batches of trainings."""


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(["reviews", "control", "fine-tune"]))
def log(names: tuple[str, ...]) -> None:
    """Train (all, or what is named), and keep a sample of the pairs that the loss was asked for."""
    ways = {"reviews": _reviews, "control": _control, "fine-tune": _fine_tune}
    kept: dict[str, Any] = json.loads(LOGGED.read_text("utf-8")) if names else {}
    for name in names or ways:
        logged = ways[name]()
        pairs = np.concatenate(logged.pairs)
        draw = np.random.Generator(np.random.PCG64(7))
        some = pairs[np.sort(draw.choice(len(pairs), size=min(KEPT, len(pairs)), replace=False))]
        kept[name] = {
            "batches": len(logged.pairs),
            "pairs": len(pairs),
            "sizes": sorted(logged.sizes),
            "sample": [[float(f"{v:.5g}") for v in row] for row in some],
        }
        click.echo(f"{name}: {len(logged.pairs)} batches of {sorted(logged.sizes)} pairs")
    LOGGED.write_text(json.dumps(kept, separators=(",", ":")) + "\n", "utf-8")


def _dpo() -> Logged:
    from bench.trusted import from_text  # noqa: PLC0415 - loads torch
    from harness.losses import source_text  # noqa: PLC0415 - as above

    return Logged(from_text(source_text("dpo")))


def _reviews() -> Logged:
    from bench import reviews  # noqa: PLC0415 - as above
    from harness.ladder.ladder import load  # noqa: PLC0415 - as above
    from harness.protocol.job import Job, Step, silent  # noqa: PLC0415 - as above
    from harness.trainer.reviews import steps as task  # noqa: PLC0415 - as above

    settings: dict[str, Any] = dict(load("reviews").rungs[-1].settings)
    loss = _dpo()
    folder = reviews.prepared(0, settings, ROOT / "build" / "reviews")
    with tempfile.TemporaryDirectory() as out:
        task.train(Job("reviews", Step.TRAIN, 0, settings, out=out, data=str(folder)), loss, silent)
    return loss


def _control() -> Logged:
    from bench import control  # noqa: PLC0415 - as above
    from harness.protocol.job import Job, Step, silent  # noqa: PLC0415 - as above
    from harness.trainer.control import steps as task  # noqa: PLC0415 - as above

    settings: dict[str, Any] = dict(control.rung().settings)
    loss = _dpo()
    with tempfile.TemporaryDirectory() as out:
        data = str(control.data_of(0, settings))
        task.train(Job("control", Step.TRAIN, 0, settings, out=out, data=data), loss, silent)
    return loss


def _fine_tune() -> Logged:
    from bench import finetune_parts as parts  # noqa: PLC0415 - as above

    loss = _dpo()
    with parts.world() as world:
        parts.steps_of(world, loss, 60)
    return loss


@main.command()
def picture() -> None:
    """Draw the distributions beside each other, and print their quantiles."""
    from bench.training_picture import draw  # noqa: PLC0415 - loads matplotlib

    found = {name: looks(np.array(one["sample"])) for name, one in json.loads(LOGGED.read_text("utf-8")).items()}
    found["realistic"] = looks(_drawn(_realistic()))
    found["before"] = looks(_drawn(_before()))
    draw(found, LOOKS, PICTURE)
    for what, words in LOOKS.items():
        click.echo(words)
        for name, seen in found.items():
            quantiles = ", ".join(f"{q:.3g}" for q in np.quantile(seen[what], (0.01, 0.1, 0.5, 0.9, 0.99)))
            click.echo(f"  {name}: {quantiles} (1, 10, 50, 90, 99 %)")
    click.echo("both drifts below -1 nat")
    for name, seen in found.items():
        click.echo(f"  {name}: {((seen['chosen'] < -1) & (seen['rejected'] < -1)).mean():.3f} of the pairs")


def looks(pairs: np.ndarray) -> dict[str, np.ndarray]:
    """What is looked at, from rows of policy, reference and lengths, each chosen and rejected, and progress."""
    pc, pr, rc, rr, nc, nr = pairs.T[:6]
    return {
        "chosen": pc - rc,
        "rejected": pr - rr,
        "reference": rc - rr,
        "nats": np.concatenate([-rc / nc, -rr / nr]),
        "length": np.concatenate([nc, nr]),
        "ratio": np.maximum(nc, nr) / np.minimum(nc, nr),
    }


def _drawn(batches: Iterable[Any]) -> np.ndarray:
    return np.concatenate([np.stack([v.astype(np.float64) for v in b.tensors], axis=1) for b in batches])


def _realistic() -> Iterable[Any]:
    from harness.subject.realistic import realistic  # noqa: PLC0415 - what is looked at

    return [realistic(seed, 64, beta=0.1) for seed in range(64)]


def _before() -> Iterable[Any]:
    from harness.subject.batches import clear, natural  # noqa: PLC0415 - as above

    draw = np.random.Generator(np.random.PCG64(11))
    make: tuple[Callable[..., Any], ...] = (natural, clear)
    return [make[s % 2](draw.uniform(0.5, 4.0, size=64), 0.1, seed=s) for s in range(64)]


if __name__ == "__main__":
    main()
