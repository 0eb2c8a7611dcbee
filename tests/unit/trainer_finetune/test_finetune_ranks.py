"""Several ranks, each with a connection of its own to the host: the same training as one, also after a kill."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import finetune_world as world
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness.core.contract import PREFERENCE
from harness.protocol.batch import Answer
from harness.protocol.batch_types import PairBatch
from harness.protocol.job import Step, silent
from harness.trainer.finetune import steps as finetune
from harness.trainer.finetune import weights
from harness.training.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.protocol.batch import Batch

pytestmark = pytest.mark.rest
_SHARDED = """
import os
import torch
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from harness.trainer.finetune import weights
torch.distributed.init_process_group("gloo")
def made(seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 3))
    fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (2,)))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)
def step(model, optimizer):
    model(torch.ones(4, 6)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
model, optimizer = made(0)
step(model, optimizer)
assert all(isinstance(p, DTensor) for p in model.parameters())
kept, means = weights.trained(model), weights.optimizer_tensors(model, optimizer)
assert kept["0.weight"].shape == (5, 6) and not isinstance(kept["0.weight"], DTensor)
step(model, optimizer)
other, again = made(1)
weights.put(other, kept)
weights.put_optimizer(other, again, means)
step(other, again)
one, two = weights.trained(model), weights.trained(other)
assert all(torch.equal(one[name], two[name]) for name in one)
assert not torch.equal(one["0.weight"], kept["0.weight"])
torch.distributed.destroy_process_group()
os._exit(0)  # gloo's threads may be taken down too late otherwise, and abort the process
"""


class Dpo:
    """DPO as the host serves it; it goes away after `left` answers."""

    smallest_batch = 1
    contract = PREFERENCE

    def __init__(self, left: int) -> None:
        self.left = left

    def answer(self, batch: Batch) -> Answer:
        assert isinstance(batch, PairBatch)
        if not self.left:
            raise RuntimeError("gone")
        self.left -= 1
        z = batch.beta * batch.rho
        slope = (-batch.beta / (1 + np.exp(z)) / batch.pairs).astype(np.float32)
        values = np.logaddexp(0, -z).astype(np.float32)
        return Answer((batch.pairs,), np.dtype(np.float32), values, (slope, -slope), detached=False)

    def answers(self, batches: Sequence[Batch]) -> list[Answer]:
        return [self.answer(batch) for batch in batches]


def _launched(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_two_ranks_come_to_what_one_comes_to(base: Path, preferences: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    for name, batch in (("one", 4), ("two", 2)):
        finetune.prepare(world.job(Step.PREPARE, base, preferences, tmp_path / name, batch=batch), silent)
    finetune.train(world.job(Step.TRAIN, base, preferences, tmp_path / "one", batch=4), world.dpo(), silent)
    job = world.job(Step.TRAIN, base, preferences, tmp_path / "two", batch=2)
    replace(job, oracle=str(tmp_path / "sock")).write(tmp_path / "job.json")

    opened: list[int] = []
    out = []

    @contextmanager
    def one(left: int, rank: int) -> Iterator[Dpo]:
        opened.append(rank)
        yield Dpo(left)

    for left in (6, 1000):
        (tmp_path / "sock").unlink(missing_ok=True)
        with Serving(tmp_path / "sock", functools.partial(one, left), ranks=2, every=0) as serving:
            done = _launched(["-m", "harness.trainer", str(tmp_path / "job.json")], tmp_path)
        out.append((done, serving.calls))
    assert sorted(opened) == [0, 0, 1, 1]
    assert out[0][0].returncode != 0
    assert out[1][0].returncode == 0, out[1][0].stderr[-2000:]
    assert out[1][1] == 2 * 16, "it went on from the checkpoint at step 4 of 20"
    lines = [json.loads(text) for text in out[1][0].stdout.splitlines()]
    assert [line for line in lines if "metrics" in line] == [lines[-1]], "one rank tells"
    assert lines[-1]["metrics"]["steps"] == 20.0
    one_, two = (load_file(tmp_path / name / "train" / weights.WEIGHTS) for name in ("one", "two"))
    assert max(float((one_[name] - two[name]).abs().max()) for name in one_) < 1e-4


def test_sharded_weights_and_means_go_out_and_in_whole(tmp_path: Path) -> None:
    (tmp_path / "sharded.py").write_text(_SHARDED)
    done = _launched([str(tmp_path / "sharded.py")], tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert torch.distributed.is_available()
