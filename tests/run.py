"""`make test`: the whole suite, unit tests beside the tests that need containers; or what is named.

Unit tests need one core and no container, and the others wait for containers most of the time, so both are under way at
once. The unit tests stand back (nice), and their output comes when all has ended. Exit code: 0 where both passed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: What runs beside the rest: neither touches the container engine.
BESIDE = ("unit", "fuzz")
REST = ("integration", "quality", "adversarial")


def main(named: list[str]) -> int:
    """Run what is named, or everything."""
    pytest = [sys.executable, "-m", "pytest"]
    if named not in ([], ["tests"]):
        return subprocess.run([*pytest, *named], cwd=HERE.parent, check=False).returncode
    folders = {p.name for p in HERE.iterdir() if p.is_dir() and any(p.rglob("test_*.py"))}
    if missing := folders - {*BESIDE, *REST}:
        print(f"tests/run.py does not know the folders {', '.join(sorted(missing))}", file=sys.stderr)
        return 2
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        beside = subprocess.Popen(
            ["nice", *pytest, *(str(HERE / name) for name in BESIDE)],
            cwd=HERE.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            rest = subprocess.run([*pytest, *(str(HERE / name) for name in REST)], cwd=HERE.parent, check=False)
            code = beside.wait()
        finally:
            beside.kill()
        log.seek(0)
        print(log.read(), flush=True)
    print(f"tests/{', tests/'.join(REST)} ended with {rest.returncode}, tests/{', tests/'.join(BESIDE)} with {code}")
    return rest.returncode or code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
