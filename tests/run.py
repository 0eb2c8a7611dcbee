"""`make test` and `make test-all` (`--whole`): three streams side by side; or what is named, in one.

Unit tests need one core and no container, and the others wait for containers half of the time, so all are under way at
once. The unit tests stand back (nice). Each stream's output comes when it has ended; meanwhile a line every half a
minute says how far each is. Exit code: 0 where all passed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.setup import gvisor

HERE = Path(__file__).parent
#: Tests with an engine of their own: its sandboxes would be strays to the red team, so they come after it.
OWN_ENGINE = ("integration/test_faults_killed_engine.py", "integration/test_ladder_chaos.py")
#: What runs side by side, the longest first; in each, one after the other.
STREAMS = (("quality", "adversarial", *OWN_ENGINE), ("integration",), ("unit", "fuzz"))
#: None of it touches the container engine.
STANDS_BACK = STREAMS[2]
#: Seconds between two lines about how far it is.
EVERY = 30.0
_PROGRESS = re.compile(r"\[ *(\d+)%\]")
_FAILED = re.compile(r"^[.FEsxX]*[FE][.FEsxX]* *(?:\[|$)", re.MULTILINE)


@dataclass(frozen=True)
class Stream:
    """A pytest of its own, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def read(self) -> str:
        """What it has printed so far."""
        number = self.log.fileno()  # which it shares with the process, and so the place where that writes
        return os.pread(number, os.fstat(number).st_size, 0).decode("utf-8", "replace")

    def __str__(self) -> str:
        """How far it is."""
        if (code := self.process.poll()) is not None:
            return f"{self.name}: {'passed' if code == 0 else f'ended with {code}'}"
        text = self.read()
        percent = _PROGRESS.findall(text)
        failed = sum(line.count("F") + line.count("E") for line in _FAILED.findall(text))
        return f"{self.name}: {percent[-1] if percent else 0} %" + (f", {failed} failed" if failed else "")


def main(named: list[str]) -> int:
    """Run what is named, or everything; with `--whole` also what takes long and tells little that is new."""
    pytest = [sys.executable, "-m", "pytest"]
    whole = named == ["--whole"]
    if not whole and named not in ([], ["tests"]):
        return subprocess.run([*pytest, *named], cwd=HERE.parent, check=False).returncode
    pytest += [] if whole else ["-m", "not whole"]
    folders = {p.name for p in HERE.iterdir() if p.is_dir() and any(p.rglob("test_*.py"))}
    if missing := folders.symmetric_difference(n for stream in STREAMS for n in stream if n not in OWN_ENGINE):
        print(f"tests/run.py and the folders differ about {', '.join(sorted(missing))}", file=sys.stderr)
        return 2
    if os.environ.get("CI"):
        gvisor.ensure()  # before any test looks whether something on this host was changed
    streams = [_begun(pytest, names) for names in STREAMS]
    started, waiting = time.monotonic(), list(streams)
    try:
        said = started
        while waiting:
            time.sleep(0.5)
            for stream in [one for one in waiting if one.process.poll() is not None]:
                waiting.remove(stream)
                print(f"{'=' * 20} {stream.name}\n{stream.read()}", flush=True)
            if time.monotonic() - said > EVERY or not waiting:
                said = time.monotonic()
                print(f"{said - started:.0f} s: {'; '.join(map(str, streams))}", flush=True)
    finally:
        for stream in streams:
            stream.process.kill()
            stream.log.close()
    return next((stream.process.returncode for stream in streams if stream.process.returncode), 0)


def _begun(pytest: list[str], names: tuple[str, ...]) -> Stream:
    log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it runs
    elsewhere = [f"--ignore={HERE / name}" for name in OWN_ENGINE if name not in names]
    nice = ["nice"] if names == STANDS_BACK else []
    # A thread that waits for another one spins, on a core that the other streams want.
    threads = {"OMP_NUM_THREADS": "1"} if names == STANDS_BACK else {}
    process = subprocess.Popen(
        [*nice, *pytest, *elsewhere, *(str(HERE / name) for name in names)],
        cwd=HERE.parent,
        env={**os.environ, **threads},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return Stream("+".join(name for name in names if name not in OWN_ENGINE), process, log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
