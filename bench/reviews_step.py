"""Rung 3's loop through the oracle, over the same loop with the loss in its own process."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench.containers import ROOT, served
from bench.measure import Figure, ratio
from harness.ladder.ladder import load

if TYPE_CHECKING:
    from harness.trainer.tasks import PairLoss

WHAT = "a training step of rung 3 through the oracle / the same step with the loss in-process"


def figure(times: int, **smaller: int) -> Figure:
    """Seconds per step with DPO, in turns. Refuses to tell a ratio of trainings that end in different weights."""
    from bench.reviews import prepared  # noqa: PLC0415 - needs what trainers need
    from bench.reviews_losses import loss  # noqa: PLC0415 - as above
    from harness.trainer.remote import RemoteOracle  # noqa: PLC0415 - as above
    from harness.trainer.torch import OracleLoss  # noqa: PLC0415 - as above
    from harness.training.serving import Serving  # noqa: PLC0415 - as above

    settings = {**dict(load("reviews").rungs[-1].settings), "epochs": 1, **smaller}
    data = prepared(0, settings, ROOT / "build" / "reviews")
    left: list[bytes] = []

    def once(one: PairLoss) -> float:
        seconds, weights = train(one, settings, data)
        left.append(weights)
        return seconds

    path = ROOT / "harness" / "losses" / "dpo.py"
    with (
        TemporaryDirectory() as private,
        Serving(Path(private) / "oracle.sock", lambda _: served(path)) as serving,
        RemoteOracle(serving.path) as remote,
    ):
        through = OracleLoss(remote, smallest=remote.smallest)
        once(through)
        once(loss("dpo"))
        out = ratio(
            "reviews-step",
            WHAT,
            1.05,
            (("oracle", lambda: once(through)), ("in-process", lambda: once(loss("dpo")))),
            times,
        )
    if len(set(left)) > 1:
        raise RuntimeError("the oracle and the loss in-process end in different weights")
    return out


def train(one: PairLoss, settings: dict[str, Any], data: Path) -> tuple[float, bytes]:
    """Train with a loss: seconds per step, and the weights that came of it."""
    from harness.protocol.job import Job, Step, silent  # noqa: PLC0415 - as above
    from harness.trainer.reviews import steps as reviews  # noqa: PLC0415 - as above
    from harness.trainer.reviews.steps import weights_path  # noqa: PLC0415 - as above

    with TemporaryDirectory() as out:
        told = reviews.train(Job("reviews", Step.TRAIN, 0, settings, out=out, data=str(data)), one, silent)
        return told["seconds_per_step"], weights_path(out, 0).read_bytes()
