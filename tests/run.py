"""`make test`, `make test-rest` and `make test-all`: three streams side by side; or what is named, in one.

What each of them runs, and why: docs/testing.md. Each stream's output comes when it has ended; meanwhile a line every
half a minute says how far each is, and a test that failed is named at once. Exit code: 0 where all passed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.setup import gvisor

HERE = Path(__file__).parent
#: Tests with an engine of their own: its sandboxes would be strays to the red team, so they come after it.
OWN_ENGINE = ("integration/test_faults_killed_engine.py", "integration/test_ladder_chaos.py")
#: For the streams to end together, in `make test` and in what comes after it: these go with the integration tests,
WITH_INTEGRATION = ("unit/report",)
#: and these with the unit tests.
WITH_UNIT = (
    "integration/test_ledger_chaos.py",
    "integration/test_ledger_disk.py",
    "integration/test_ladder.py",
    "integration/test_ladder_faults.py",
    "integration/test_stopping_rungs.py",
    "integration/test_training_containers.py",
)
#: What runs side by side; in each, one after the other.
STREAMS = (("quality", "adversarial", *OWN_ENGINE), ("integration", *WITH_INTEGRATION), ("unit", "fuzz", *WITH_UNIT))
#: What runs in another stream than the rest of its folder.
APART = (*OWN_ENGINE, *WITH_INTEGRATION, *WITH_UNIT)
#: What computes in this process, and not in containers.
ONE_CORE = STREAMS[2]
#: What is run, as a mark for pytest. A test without a mark belongs to `make test`.
TIERS = {"": "not rest and not whole", "--rest": "rest and not whole", "--whole": "rest or whole"}
#: Seconds between two lines about how far it is.
EVERY = 30.0
_PROGRESS = re.compile(r"\[ *(\d+)%\]")
#: What conftest.py says of a test that failed.
_FAILED = re.compile(r"^FAILED AT ONCE: (.*)$", re.MULTILINE)


@dataclass
class Stream:
    """A pytest of its own, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    #: Failures that were passed on.
    told: int = field(default=0, init=False)

    def read(self) -> str:
        """What it has printed so far."""
        number = self.log.fileno()  # which it shares with the process, and so the place where that writes
        return os.pread(number, os.fstat(number).st_size, 0).decode("utf-8", "replace")

    def tell(self) -> None:
        """Name the tests that failed since the last time."""
        failed = _FAILED.findall(self.read())
        for line in failed[self.told :]:
            print(f"{self.name}: failed: {line}", flush=True)
        self.told = len(failed)

    def __str__(self) -> str:
        """How far it is."""
        if (code := self.process.poll()) is not None:
            return f"{self.name}: {'passed' if code in PASSED else f'ended with {code}'}"
        percent = _PROGRESS.findall(self.read())
        return f"{self.name}: {percent[-1] if percent else 0} %" + (f", {self.told} failed" if self.told else "")


#: pytest's exit codes where nothing failed; 5: the stream has no test of this tier.
PASSED = (0, 5)


def main(named: list[str]) -> int:
    """Run what is named, or a tier of everything."""
    pytest = [sys.executable, "-m", "pytest"]
    tier = "".join(named) if named != ["tests"] else ""
    if tier not in TIERS:
        return subprocess.run([*pytest, *named], cwd=HERE.parent, check=False).returncode
    folders = {p.name for p in HERE.iterdir() if p.is_dir() and any(p.rglob("test_*.py"))}
    if missing := folders.symmetric_difference(n for stream in STREAMS for n in stream if n not in APART):
        print(f"tests/run.py and the folders differ about {', '.join(sorted(missing))}", file=sys.stderr)
        return 2
    if os.environ.get("CI"):
        gvisor.ensure()  # before any test looks whether something on this host was changed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the streams end as well
    streams = [_begun([*pytest, "-m", TIERS[tier]], names) for names in STREAMS]
    started, waiting = time.monotonic(), list(streams)
    try:
        said = started
        while waiting:
            time.sleep(0.5)
            for stream in waiting:
                stream.tell()
            for stream in [one for one in waiting if one.process.poll() is not None]:
                waiting.remove(stream)
                stream.tell()
                print(f"{'=' * 20} {stream.name}\n{stream.read()}", flush=True)
            if time.monotonic() - said > EVERY or not waiting:
                said = time.monotonic()
                print(f"{said - started:.0f} s: {'; '.join(map(str, streams))}", flush=True)
    finally:
        for stream in streams:
            stream.process.kill()
            stream.log.close()
    codes = [stream.process.returncode for stream in streams]
    return next((code for code in codes if code not in PASSED), 0 if 0 in codes else 5)


def _begun(pytest: list[str], names: tuple[str, ...]) -> Stream:
    log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it runs
    elsewhere = [f"--ignore={HERE / name}" for name in APART if name not in names]
    # A thread that waits for another one spins, on a core that the other streams want.
    threads = {"OMP_NUM_THREADS": "1"} if names == ONE_CORE else {}
    process = subprocess.Popen(
        [*pytest, *elsewhere, *(str(HERE / name) for name in names)],
        cwd=HERE.parent,
        env={**os.environ, **threads},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return Stream("+".join(name for name in names if name not in APART), process, log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
