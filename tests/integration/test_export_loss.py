"""A loss that climbed the bandit ladder in containers, exported: its package gives the oracle's bits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from export_samples import imported
from support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Run

pytestmark = pytest.mark.container


@pytest.mark.parametrize(
    "name",
    [
        "tunable.py",
        *(
            pytest.param(n, marks=pytest.mark.rest)
            for n in ("discopop_method.py", "reply.json", "dbaql.py", "scalar.py")
        ),
    ],
)
def test_what_climbed_is_exported_with_the_oracles_bits(harness: Callable[..., Run], tmp_path: Path, name: str) -> None:
    keys = {"HARNESS_KEYS": str(tmp_path / "keys")}
    assert harness("run", ROOT / "examples" / name, "--folder", tmp_path / "h", env=keys).code == 0
    to = tmp_path / "my_loss"
    done = harness("export-loss", 1, "--folder", tmp_path / "h", "--to", to, env=keys)
    assert done.code == 0, done.err
    assert f"read {to}/README.md first" in done.err.replace("\n", " ")
    held = harness("verify", to / "records.intoto.jsonl", next(to.glob("candidate.*")), "--accepted", env=keys)
    assert held.code == 0, held.out
    command = [sys.executable, "-m", "my_loss.test_bits"]
    bits = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (bits.returncode, bits.stdout) == (0, "the same bits\n"), bits.stdout + bits.stderr
    told = json.loads((to / "oracle.json").read_bytes())
    assert len(told["asked"]) == 24
    told["asked"][0]["beta"] *= 1.25
    (to / "oracle.json").write_text(json.dumps(told))
    assert imported(to, "test_bits").different()


def test_what_was_rejected_is_not_exported(harness: Callable[..., Run], tmp_path: Path) -> None:
    broken = next(path for path in sorted((ROOT / "examples" / "broken").glob("*.py")))
    keys = {"HARNESS_KEYS": str(tmp_path / "keys")}
    assert harness("run", broken, "--folder", tmp_path / "h", env=keys).code == 1
    done = harness("export-loss", 1, "--folder", tmp_path / "h", "--to", tmp_path / "my_loss", env=keys)
    assert (done.code, "only a promoted loss is exported" in done.err) == (2, True), done.err
    assert not (tmp_path / "my_loss").exists()
