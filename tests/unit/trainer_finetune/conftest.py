"""One model and one prepared set for all tests that only read them. One thread, as in a real step.

What they are made with is imported where it is used: its packages may be missing.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest

#: Words of the libraries to each other.
_THEIRS = "ignore:.* is deprecated and will be removed in v.*:FutureWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(_THEIRS))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama."""
    import finetune_world as world

    return world.model(tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture(scope="session")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the hub with one split, of conversations."""
    import finetune_world as world

    folder = tmp_path_factory.mktemp("preferences")
    world.parquet(folder / "data" / "train-00000-of-00001.parquet", world.conversations(96))
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, base: Path, preferences: Path) -> Path:
    """The folder of a run whose data are prepared."""
    import finetune_world as world

    from harness.protocol.job import Step, silent
    from harness.trainer.finetune import steps as finetune

    out = tmp_path_factory.mktemp("run")
    finetune.prepare(world.job(Step.PREPARE, base, preferences, out), silent)
    return out
