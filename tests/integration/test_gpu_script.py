"""`bench/gpu/run.sh` in small, on the CPU where there is no GPU: ready for the day that there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import ROOT

from bench.gpu.run import PARTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.rest
def test_every_part_is_rehearsed_and_none_is_told_as_seen_without_a_gpu(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        [ROOT / "bench" / "gpu" / "run.sh", "--small", "--out", out],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    results = json.loads(out.read_text("utf-8"))
    assert done.returncode == 0, json.dumps(results, indent=1)[-5000:]
    assert list(results["parts"]) == list(PARTS)
    for name, told in results["parts"].items():
        assert name in done.stdout
        if results["machine"]["card"] is not None:
            assert told["status"] == "ok" or told["reason"]
            continue
        assert told["status"] == "skipped"
        # Either it was rehearsed, or it is said what this machine lacks for that.
        lacking = {"system-calls": "strace", "passthrough": "is missing"}
        assert told.get("rehearsal") or lacking.get(name, "?") in told["reason"]
        assert not told.get("figures")
    tuned = results["parts"]["fine-tune"].get("rehearsal") or results["parts"]["fine-tune"]["figures"]
    assert tuned["losses apart"] <= tuned["tolerance"]
    assert tuned["step-time ratio"] > 0
