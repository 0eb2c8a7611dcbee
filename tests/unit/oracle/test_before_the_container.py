"""What a check imports before its container is asked for: that is waited for, all else is loaded beside its start."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fake_engine import FakeEngine
from support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: Ends the command where the container would be asked for, and says what is loaded by then.
SCRIPT = """
import json, os, sys
from harness.containers import started
import harness.images
harness.images.current = lambda variant: harness.images.ImageRef("tag", "sha256:0", variant)
def asked(engine, recipe):
    os.write(1, json.dumps(sorted(sys.modules)).encode())
    os._exit(0)
started.start = asked
from harness.cli import main
main()
"""
#: What takes long, and what a container takes no part of.
LATER = (
    "docker",
    "requests",
    "numpy",
    "hypothesis",
    "pytest",
    "rich",
    "multiprocessing",
    "concurrent",
    "importlib.resources",
    "harness.screen",
    "harness.oracle",
    "harness.protocol",
    "harness.subject",
    "harness.report.text",
    "harness.warm.take",
)


@pytest.mark.parametrize("warm", ["--warm", "--no-warm"])
def test_little_is_imported_before_a_container_is_asked_for(tmp_path: Path, warm: str) -> None:
    with FakeEngine().listening(tmp_path / "engine.sock") as url:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, "check", warm, str(ROOT / "examples" / "dpo.py")],
            capture_output=True,
            timeout=600,
            check=False,
            cwd=ROOT,
            env={"DOCKER_HOST": url, "CI": "true", "PATH": "", "HOME": str(tmp_path)},
        )
    loaded = json.loads(done.stdout)
    assert "harness.checks.checker" in loaded, done.stderr
    assert [name for name in loaded if any(name == one or name.startswith(f"{one}.") for one in LATER)] == []
