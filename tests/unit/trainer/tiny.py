"""A task small enough for tests, and the trainer that knows it: `python tiny.py JOB.json` in place of the real one."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.protocol.job import Job, Say
    from harness.trainer.tasks import PairLoss

_FEATURES, _PAIRS = 6, 64


def prepare(job: Job, say: Say) -> Mapping[str, float]:
    import torch
    from safetensors.torch import save

    from harness.protocol.job import Progress
    from harness.trainer.checkpoint import write_whole

    if log := job.settings.get("log"):
        with (Path(str(log)) / "prepared").open("a") as file:
            file.write(f"{job.seed}\n")
    generator = torch.Generator().manual_seed(job.seed)
    write_whole(Path(job.out) / "data.safetensors", save({"x": torch.randn(_PAIRS, _FEATURES, generator=generator)}))
    say(Progress(1, 1, "data"))
    return {"pairs": float(_PAIRS)}


def train(job: Job, loss: PairLoss, say: Say) -> Mapping[str, float]:
    import torch
    from safetensors.torch import load_file, save

    from harness.protocol.job import Progress, StepError
    from harness.trainer import checkpoint

    misbehave(job)
    if job.settings.get("user_error"):
        raise StepError("the pairs are malformed", fault="user", remedy="mend them")
    x = load_file(Path(job.data) / "data.safetensors")["x"]
    model = torch.nn.Linear(_FEATURES, 2)
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    place, begin = Path(job.out) / "checkpoint.safetensors", 0
    if (tree := checkpoint.load(place)) is not None:
        model.load_state_dict(tree["model"])
        optimizer.load_state_dict(tree["optimizer"])
        torch.set_rng_state(tree["generator"])
        begin = tree["step"]
    total = int(str(job.settings.get("steps", 60)))
    for step in range(begin, total):
        rows = x[torch.randint(_PAIRS, (16,))]  # drawn from the process's own generator, which has to go on too
        optimizer.zero_grad()
        chosen, rejected = model(rows).T
        value = loss(chosen, rejected, torch.zeros(16), torch.zeros(16), 0.5, progress=step / total)
        value.backward()
        optimizer.step()
        if (step + 1) % 5 == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            checkpoint.save(place, {**state, "generator": torch.get_rng_state()})
        time.sleep(float(str(job.settings.get("pause", 0.0))))
        say(Progress(step + 1, total, "training", {"loss": float(value.detach())}))
    checkpoint.write_whole(Path(job.out) / "policy.safetensors", save(model.state_dict()))
    place.unlink(missing_ok=True)
    return {"finite": 1.0, "began": float(begin)}


def score(job: Job, say: Say) -> Mapping[str, float]:
    import torch
    from safetensors.torch import load_file

    from harness.protocol.job import Progress

    assert not job.oracle
    weights = load_file(Path(job.weights) / "policy.safetensors")
    x = load_file(Path(job.data) / "data.safetensors")["x"]
    chosen, rejected = torch.nn.functional.linear(x, weights["weight"], weights["bias"]).T
    say(Progress(1, 1, "score"))
    if samples := job.settings.get("samples"):
        (Path(job.out) / "samples.jsonl").write_text(str(samples))
    return {"accuracy": float((chosen > rejected).float().mean()), "margin": float((chosen - rejected).mean())}


def answer(job: Job, say: Say) -> dict[str, float]:
    """What was asked by whom, so that one answer is told from another."""
    from harness.protocol.job import Progress

    asked = (Path(job.data) / "questions.jsonl").read_text("utf-8")
    left = Path(job.weights, "policy.safetensors").read_bytes() if job.weights else b""
    told = f"{job.seed} {hashlib.sha256(left).hexdigest()} {asked}"
    (Path(job.out) / "answers.jsonl").write_text(told, "utf-8")
    say(Progress(1, 1))
    return {"answers": 1.0}


def misbehave(job: Job) -> None:
    """What a trainer that went wrong may do on its way."""
    how, out = str(job.settings.get("misbehave", "")), Path(job.out)
    if how == "file":
        (out / "weights.pt").write_bytes(b"\x80\x05.")
    elif how == "link":
        (out / "policy2.safetensors").symlink_to("/etc/passwd")
    elif how == "large":
        (out / "big.safetensors").write_bytes(b"\0" * (3 << 20))
    elif how == "raise":
        raise ZeroDivisionError("oh")
    elif how == "print":
        print("this is no line of ours")  # noqa: T201 - that is the point
        sys.stdout.flush()


def main() -> int:
    from harness.trainer import tasks
    from harness.trainer.__main__ import main as real

    tasks.MODULES["tiny"] = "tiny"
    sys.modules["tiny.steps"] = sys.modules[__name__]
    return real()


if __name__ == "__main__":
    raise SystemExit(main())
