"""`python -m bench.gpu.parts NAME OUT [--small]`: one part of what has to be seen on a GPU, as JSON in a file.

Each part runs in a process of its own (`bench.gpu.run`) on `cuda` where torch finds a GPU, else on the CPU, where it
shows that the part works and nothing of a GPU. A part raises where what it looks for does not hold.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.trainer.tasks import PairLoss

    Figures = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
#: Two trainings in bfloat16 whose losses differ in their last bits drift apart; in nats, over the steps done here.
LOSS_TOLERANCE = 0.02 if ON_GPU else 1e-6
#: `reviews` on the GPU against the CPU: other last bits, so other samples and other answers, and the metrics are means
#: over those. About what one seed differs from another by (docs/training.md).
REVIEWS_TOLERANCE = 0.1 if ON_GPU else 0.0
REVIEWS_METRICS = ("finite", "reward", "reward_gain", "accuracy", "grammar", "length_ratio")
#: Layers and width of the fine-tuned model, and how many times as long its pairs are: 100 million weights.
MODEL, LONGER = (14, 768), 4
SMALL_MODEL = (2, 64)
#: A tensor that is made on the CPU whatever the inputs are on: what P316 is there for.
LEFT_BEHIND = """\
import torch
import torch.nn.functional as F


def loss(pc, pr, rc, rr, beta):
    rho = (pc - pr) - (rc - rr)
    return F.softplus(-beta * rho) * torch.ones(rho.shape[0])
"""
_CALL = re.compile(r"^\d+(?:<[^>]*>)?\s+(?:<\.\.\. )?(?P<name>\w+)(?:\(| resumed>)")


class NotHereError(Exception):
    """The part needs what this machine lacks; the text says what."""


def worker(*, small: bool) -> Figures:
    """P316 over the catalogue: a sandbox's worker asked the same questions on both devices."""
    from bench.gpu.workers import Worker, subject  # noqa: PLC0415 - as everywhere here: what is missing is told
    from harness.core.errors import CandidateFault  # noqa: PLC0415
    from harness.losses import CATALOGUE  # noqa: PLC0415
    from harness.property_tests.configure import configure  # noqa: PLC0415

    configure()
    from harness.property_tests.preference import test_device  # noqa: PLC0415 - after `configure`

    names = [entry.name for entry in CATALOGUE][: 3 if small else None]
    broken, asked, seconds = {}, 0, {}
    with Worker() as process:
        for name in names:
            one, oracle = subject(process, name, gpu=ON_GPU)
            began, first = time.perf_counter(), oracle.asked_on_gpu
            try:
                test_device.test_devices_agree(candidate=one)
                test_device.test_devices_agree_in_training(candidate=one)
            except CandidateFault as fault:
                broken[name] = str(fault)
            if oracle.asked_on_gpu == first:
                raise RuntimeError(f"{name}: nothing was asked on the GPU")
            asked += oracle.asked_on_gpu
            seconds[name] = round(time.perf_counter() - began, 3)
            oracle.finish()
        figures = {"losses": len(names), "batches on the GPU": asked, "broken": broken, "torch": process.torch}
        figures |= {"seconds a loss, median": statistics.median(seconds.values()), "slowest": max(seconds.values())}
        figures |= _round_trips(process, 20 if small else 200)
        if ON_GPU:
            one, oracle = subject(process, "left_behind", gpu=True, text=LEFT_BEHIND)
            try:
                test_device.test_devices_agree(candidate=one)
            except CandidateFault as fault:
                figures["a tensor left on the CPU"] = str(fault)
            else:
                raise RuntimeError("a loss with a tensor on the CPU passed")
            oracle.finish()
    if broken:
        raise RuntimeError(f"devices do not agree: {broken}")
    return figures


def _round_trips(process: Any, times: int) -> Figures:
    """Median milliseconds of a call of DPO over 64 pairs, by device."""
    from bench.gpu.workers import subject  # noqa: PLC0415
    from harness.subject.batches import natural  # noqa: PLC0415

    one, oracle = subject(process, "dpo", gpu=ON_GPU)
    batch, out = natural(np.linspace(-3.0, 3.0, 64), 0.1, seed=0), {}
    for name, gpu in (("CPU", False), ("GPU", True)) if ON_GPU else (("CPU", False),):
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            one.oracle.answer(batch, gpu=gpu)
            taken.append(time.perf_counter() - began)
        out[f"ms a call of 64 pairs, {name}"] = round(statistics.median(taken) * 1e3, 3)
    oracle.finish()
    return out


def system_calls(*, small: bool) -> Figures:
    """Names of what a worker asks of the kernel in all its life, against the list that CUDA's container has."""
    from bench.gpu.workers import Worker, subject  # noqa: PLC0415
    from harness.losses import CATALOGUE  # noqa: PLC0415
    from harness.subject.batches import natural  # noqa: PLC0415

    if shutil.which("strace") is None:
        raise NotHereError("strace is missing")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "calls"
        with Worker("strace", "-f", "-qq", "-s", "0", "-o", str(output)) as process:
            for entry in CATALOGUE[: 2 if small else 8]:
                one, oracle = subject(process, entry.name, gpu=ON_GPU)
                one.oracle.answers([natural(np.linspace(-3.0, 3.0, n), 0.1, seed=n) for n in (64, 7)], gpu=True)
                oracle.finish()
        made = calls(output.read_text("utf-8", "replace"))
    document = json.loads((ROOT / "dockerfiles" / "seccomp-cuda.json").read_text("utf-8"))
    allowed = {n for entry in document["syscalls"] if entry["action"] == "SCMP_ACT_ALLOW" for n in entry["names"]}
    if "read" not in made or "mmap" not in made:
        raise RuntimeError(f"a trace that shows nothing: {sorted(made)}")
    # Arguments are not compared, and CUDA may do without what the list refuses, as the C library does without clone3: a
    # finding to look into, with the part `passthrough`, which runs under the list, and no failure by itself.
    return {"made": len(made), "not on the list": sorted(made - allowed), "all": sorted(made)}


def calls(trace: str) -> set[str]:
    """Names of the system calls in what strace wrote."""
    return {found["name"] for line in trace.splitlines() if (found := _CALL.match(line))}


def fine_tune(*, small: bool) -> Figures:
    """A model made on the spot, bf16 on a GPU: the oracle's side and the loss in the trainer's process, by turns."""
    from bench import finetune_parts as parts  # noqa: PLC0415
    from bench.gpu.workers import oracle_loss  # noqa: PLC0415

    steps = 4 if small else 30
    seconds: dict[str, list[float]] = {"oracle": [], "in-process": []}
    losses: dict[str, list[list[float]]] = {"oracle": [], "in-process": []}
    with parts.world(*(SMALL_MODEL if small else MODEL), device=DEVICE, longer=1 if small else LONGER) as world:
        for side in seconds:
            _trained(parts, world, side, oracle_loss, min(steps, 5))
        for side in ("oracle", "in-process", "in-process", "oracle"):
            taken, told = _trained(parts, world, side, oracle_loss, steps)
            seconds[side] += taken
            losses[side].append(told)
        count = _count(parts, world)
    ratios = [a / b for a, b in zip(seconds["oracle"], seconds["in-process"], strict=True)]
    apart = _apart(losses["oracle"][0], losses["in-process"][0])
    figures = {
        "weights": count,
        "steps": steps,
        "seconds a step, oracle": statistics.median(seconds["oracle"]),
        "seconds a step, in-process": statistics.median(seconds["in-process"]),
        "step-time ratio": statistics.median(ratios),
        "losses, first and last": [losses["oracle"][0][0], losses["oracle"][0][-1]],
        "losses apart": apart,
        "in-process apart from itself": _apart(*losses["in-process"]),
        "tolerance": LOSS_TOLERANCE,
    }
    return _within(figures, apart)


def _trained(parts: Any, world: Any, side: str, opened: Any, steps: int) -> tuple[list[float], list[float]]:
    """Train anew: seconds and mean loss of each step."""
    with opened("dpo") if side == "oracle" else nullcontext(parts.in_process()) as loss:
        kept = Recording(loss)
        return parts.steps_of(world, kept, steps), kept.values


class Recording:
    """A loss that keeps its values."""

    def __init__(self, inner: PairLoss) -> None:
        self._inner, self.smallest = inner, inner.smallest
        self.values: list[float] = []

    def __call__(self, *arguments: Any, **named: Any) -> torch.Tensor:
        """As the loss in it."""
        value = self._inner(*arguments, **named)
        self.values.append(float(value.detach()))
        return value


def _apart(one: list[float], other: list[float]) -> float:
    """The largest difference between two trainings' losses, step by step, in nats."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _within(figures: Figures, apart: float) -> Figures:
    """The figures, where losses are near enough to each other; NaN is near nothing."""
    if not apart <= LOSS_TOLERANCE:
        raise RuntimeError(f"the losses are {apart} nats apart: {figures}")
    return figures


def two_at_once(*, small: bool) -> Figures:
    """Two trainings, each with its own worker, on one GPU at once, against the same alone."""
    (alone,) = _trainings(1, small=small)
    both = _trainings(2, small=small)
    apart = max(_apart(alone["losses"], other["losses"]) for other in both)
    figures = {
        "seconds a step, alone": alone["seconds a step"],
        "seconds a step, two at once": [one["seconds a step"] for one in both],
        "MiB of the GPU, one": alone["MiB"],
        "losses apart": apart,
        "the same bits": all(one["losses"] == alone["losses"] for one in both),
        "tolerance": LOSS_TOLERANCE,
    }
    return _within(figures, apart)


def _trainings(count: int, *, small: bool) -> list[Figures]:
    """So many processes that train at the same time, and what each says."""
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / f"{number}.json" for number in range(count)]
        command = [sys.executable, "-m", "bench.gpu.parts", "one-training"]
        running = [subprocess.Popen([*command, str(out), *(["--small"] if small else [])]) for out in outs]
        if max(process.wait() for process in running):  # of all: none is left behind
            raise RuntimeError(f"a training failed: {[out.read_text('utf-8') for out in outs if out.exists()]}")
        return [json.loads(out.read_text("utf-8"))["figures"] for out in outs]


def one_training(*, small: bool) -> Figures:
    """One of those."""
    from bench import finetune_parts as parts  # noqa: PLC0415
    from bench.gpu.workers import oracle_loss  # noqa: PLC0415

    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    with parts.world(*(SMALL_MODEL if small else (8, 512)), device=DEVICE) as world:
        _trained(parts, world, "oracle", oracle_loss, 2)
        taken, losses = _trained(parts, world, "oracle", oracle_loss, 4 if small else 60)
    used = torch.cuda.max_memory_reserved() >> 20 if ON_GPU else 0
    return {"seconds a step": statistics.median(taken), "losses": losses, "MiB": used}


def reference_cache(*, small: bool) -> Figures:
    """Kept reference log-probabilities against a live reference: the numbers, and what a step costs."""
    from bench import finetune_parts as parts  # noqa: PLC0415
    from harness.protocol.job import silent  # noqa: PLC0415
    from harness.trainer.finetune import model as models  # noqa: PLC0415
    from harness.trainer.finetune.asking import log_probabilities  # noqa: PLC0415

    steps = 4 if small else 20
    with parts.world(*(SMALL_MODEL if small else MODEL), device=DEVICE, longer=1 if small else LONGER) as world:
        held = models.load(world.folder / "base", parts.SETTINGS, DEVICE)
        in_training = replace(parts.SETTINGS, evaluation_batch=parts.SETTINGS.batch)
        live = log_probabilities(held, world.part.pairs, 0, in_training, device=DEVICE, say=silent, what="reference")
        del held
        apart = float((live - world.part.reference).abs().max())
        largest = float(live.abs().max())
        loss = parts.in_process()
        sides = (lambda: parts.median_step(world, loss, steps), lambda: parts.median_stock_step(world, steps))
        for side in sides:
            side()
        kept, stock = (side() for side in sides)
    # In bf16 a sum over tokens is off by a hundredth of itself at the very most.
    most = (1e-2 if ON_GPU else 1e-5) * largest
    figures = {"seconds a step, kept": kept, "seconds a step, live (stock trl)": stock, "step-time ratio": kept / stock}
    figures |= {"nats apart, kept and live": apart, "largest of them": largest, "tolerance": most}
    if not apart <= most:
        raise RuntimeError(f"kept and live reference are {apart} nats apart: {figures}")
    return figures


def reviews(*, small: bool) -> Figures:
    """The rung `reviews` with DPO, one seed, on both devices: data, training and score; the metrics, and seconds."""
    with (ROOT / "harness" / "ladder" / "profiles" / "reviews-2026.2.toml").open("rb") as file:
        settings = tomllib.load(file)["rungs"][-1]["settings"]
    if small:
        settings |= {"corpus": 400, "warm_steps": 40, "prompts": 96, "questions": 32, "epochs": 1}
    told, seconds = {}, {}
    for name, device in (("CPU", "cpu"), ("GPU", DEVICE)):
        began = time.perf_counter()
        told[name] = _seed(settings, device)
        seconds[f"seconds, {name}"] = round(time.perf_counter() - began, 2)
    apart = {name: abs(told["CPU"][name] - told["GPU"][name]) for name in REVIEWS_METRICS}
    steps = {f"ms a step, {side}": metrics["seconds_per_step"] * 1e3 for side, metrics in told.items()}
    figures = {**seconds, **steps, "apart": apart, "tolerance": REVIEWS_TOLERANCE, "metrics": told}
    if not all(difference <= REVIEWS_TOLERANCE for difference in apart.values()):
        raise RuntimeError(f"the metrics are too far apart: {figures}")
    return figures


def _seed(settings: dict[str, Any], device: str) -> dict[str, float]:
    """Metrics of one seed, each step in a process of its own, as `HARNESS_TRAINER=process` has it."""
    from bench.gpu.workers import serving  # noqa: PLC0415
    from harness.protocol.job import Job, Step  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, serving("dpo") as path:
        data, weights, scored = (Path(folder) / name for name in ("data", "weights", "scored"))
        job = Job("reviews", Step.PREPARE, 0, settings, out=str(data), device=device)
        _step(job)
        trained = _step(replace(job, step=Step.TRAIN, out=str(weights), data=str(data), oracle=str(path)))
        score = replace(job, step=Step.SCORE, out=str(scored), data=str(data), weights=str(weights))
        return trained | _step(score)


def _step(job: Any) -> dict[str, float]:
    """Do a step; its metrics."""
    Path(job.out).mkdir()
    file = Path(job.out).with_suffix(".json")
    job.write(file)
    done = subprocess.run(
        [sys.executable, "-m", "harness.trainer", str(file)], capture_output=True, text=True, check=False
    )
    last = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    if done.returncode or "metrics" not in last:
        raise RuntimeError(f"{job.step} on {job.device}: {last} {done.stderr[-2000:]}")
    return {name: float(value) for name, value in last["metrics"].items()}


def passthrough(*, small: bool) -> Figures:
    """The GPU in a container, without an image."""
    del small
    from bench.gpu.passthrough import NoEngineError, seen  # noqa: PLC0415

    try:
        return seen(gpu=ON_GPU)
    except NoEngineError as error:
        raise NotHereError(str(error)) from error


def _count(parts: Any, world: Any) -> int:
    """How many weights the model has."""
    from harness.trainer.finetune import model as models  # noqa: PLC0415

    return sum(p.numel() for p in models.load(world.folder / "base", parts.SETTINGS, "cpu").parameters())


PARTS: dict[str, Callable[..., Figures]] = {
    "worker": worker,
    "system-calls": system_calls,
    "fine-tune": fine_tune,
    "two-at-once": two_at_once,
    "reference-cache": reference_cache,
    "reviews": reviews,
    "passthrough": passthrough,
    "one-training": one_training,
}


def main() -> int:
    """Do the part, and write what came of it; the exit code is 0 where it is ok or skipped."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.parts", description=__doc__)
    parser.add_argument("name", choices=PARTS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", action="store_true", help="little to do: shows that it works")
    chosen = parser.parse_args()
    try:
        told: Figures = {"status": "ok", "figures": PARTS[chosen.name](small=chosen.small)}
    except NotHereError as error:
        told = {"status": "skipped", "reason": str(error)}
    except ModuleNotFoundError as error:
        ours = (error.name or "").partition(".")[0] in {"bench", "harness", "sandbox", "property_tests", "trainer"}
        told = {"status": "failed" if ours else "skipped", "reason": f"{error}: there is no wheel of it"}
    except Exception as error:  # noqa: BLE001 - told, and the next part goes on
        traceback.print_exc()
        told = {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:4000]}
    chosen.out.write_text(json.dumps(told | {"device": DEVICE}), "utf-8")
    return int(told["status"] == "failed")


if __name__ == "__main__":
    sys.exit(main())
