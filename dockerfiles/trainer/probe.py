"""Runs in the build: see that everything that training needs can be imported and does a little work."""

# ruff: noqa: INP001 - a script of the image build, not a package
from __future__ import annotations

import importlib
import os

os.environ |= {"OMP_NUM_THREADS": "1", "USER": "trainer", "HOME": "/tmp"}  # noqa: S108 - inside the build
NEEDED = (
    "accelerate", "datasets", "gymnasium", "harness.trainer.__main__", "harness.trainer.checkpoint",
    "harness.trainer.remote", "harness.trainer.torch", "mujoco", "peft", "safetensors.torch", "sklearn.linear_model",
    "transformers", "trl", "vaderSentiment.vaderSentiment",
)  # fmt: skip
for name in NEEDED:
    importlib.import_module(name)

from trl import DPOTrainer  # noqa: E402 - its parts are loaded late, and must be there

# A digest of what is in it is taken by dill, which has to find the modules by their names.
if len(importlib.import_module("datasets").Dataset.from_list([{"a": 1}])) != 1:
    raise SystemExit("datasets makes no set of a list")

gymnasium = importlib.import_module("gymnasium")
environment = gymnasium.make("Reacher-v5")
environment.reset(seed=0)
environment.step(environment.action_space.sample())
if not callable(DPOTrainer.compute_loss):
    raise SystemExit("trl has no compute_loss to override")
