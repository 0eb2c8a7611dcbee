"""`harness check --static` is quick by what it does not load, and by what it loads while the screen's process reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.static_tier import HEAVY, heavy_modules

ROOT = Path(__file__).resolve().parents[2]
LOSS = str(ROOT / "examples" / "dpo.py")
#: The command, in which the screen waits for the report's modules: they have to come from another thread.
WAITS = """
import sys, time
from harness.checks import static
from harness.screen import front

screened = front.screen

def screen(*given, **named):
    assert "harness.report.wording" not in before
    end = time.monotonic() + 60
    while "harness.report.wording" not in sys.modules and time.monotonic() < end:
        time.sleep(0.002)
    assert "harness.report.wording" in sys.modules, "nobody loads it meanwhile"
    return screened(*given, **named)

static.screen = screen
before = set(sys.modules)
sys.argv = ["harness", "check", "--static", "--screened-ok", sys.argv[1]]
from harness.cli import main
main()
"""


def test_it_loads_nothing_heavy() -> None:
    assert heavy_modules(LOSS) == []


def test_something_heavy_would_be_noticed(monkeypatch) -> None:
    monkeypatch.setattr("bench.static_tier.HEAVY", (*HEAVY, "rich"))
    assert heavy_modules(LOSS) == ["rich"]


def test_what_prints_the_report_is_loaded_while_the_screen_reads() -> None:
    done = subprocess.run([sys.executable, "-c", WAITS, LOSS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 screened" in done.stdout
