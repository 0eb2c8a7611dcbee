"""Small data of the control task, made once. Imported where it is used: its packages may be missing.

One thread and no denormals, as in a real step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from control_doubles import SMALL, job

    from harness.protocol.job import Step, silent
    from harness.trainer.control import steps as control

    folder = tmp_path_factory.mktemp("control-data")
    control.prepare(job(Step.PREPARE, SMALL, out=folder), silent)
    return folder
