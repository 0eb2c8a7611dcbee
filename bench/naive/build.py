"""Make the image of the naive harness from the sandbox image and the project's own lock."""

from __future__ import annotations

import compileall
import hashlib
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.containers import ROOT, sandbox_image
from bench.measure import environment

#: pytest, Hypothesis and numpy with what they need, as dockerfiles/locks/host.txt pins them.
PACKAGES = (
    "numpy",
    "hypothesis",
    "sortedcontainers",
    "pytest",
    "iniconfig",
    "packaging",
    "pluggy",
    "pygments",
    "greenlet",
)
_BUILD = ROOT / "build" / "bench-naive"
_HERE = Path(__file__).parent
#: Rooms that are linked into `harness/` here, and lie in it there.
_LINKED = ("property_tests", "sandbox")


def build() -> str:
    """Give the tag of an image of today's sources; it is built where it is missing."""
    sandbox = sandbox_image()
    sources = [p for name in ("harness", *_LINKED) for p in sorted((ROOT / name).rglob("*.py"))]
    sources += sorted((ROOT / "harness").rglob("*.toml")) + sorted((ROOT / "property_tests").rglob("*.json"))
    sources += sorted(p for p in _HERE.iterdir() if p.is_file())
    whole = hashlib.sha256(sandbox.encode())
    for path in sources:
        whole.update(path.read_bytes())
    tag = f"harness-bench-naive:{whole.hexdigest()[:12]}"
    if subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=False).returncode:
        _context(sources)
        command = ["docker", "build", "--quiet", "--network=none", f"--build-arg=SANDBOX_IMAGE={sandbox}"]
        _run([*command, f"--tag={tag}", str(_BUILD / "context")])
    return tag


def _context(sources: list[Path]) -> None:
    lock, wheels, site = _BUILD / "lock.txt", _BUILD / "wheels", _BUILD / "context" / "site"
    wheels.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(site, ignore_errors=True)
    lock.write_text(_subset((ROOT / "dockerfiles" / "locks" / "host.txt").read_text("utf-8")), "utf-8")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    pinned = ["--require-hashes", "--no-deps", "--only-binary=:all:", f"--requirement={lock}"]
    _run([*pip, "download", *pinned, f"--dest={wheels}"])
    _run([*pip, "install", *pinned, "--no-index", "--no-compile", f"--find-links={wheels}", f"--target={site}"])
    for path in sources:
        inside = path.relative_to(ROOT)
        target = site / ("harness" if inside.parts[0] in _LINKED else "") / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    shutil.copyfile(_HERE.parent / "__init__.py", site / "bench" / "__init__.py")
    # Compiled without checks of their sources, like everything in the sandbox image.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(site, quiet=2, force=True, invalidation_mode=mode, workers=1)
    shutil.copyfile(_HERE / "Dockerfile", _BUILD / "context" / "Dockerfile")


def _subset(lock: str) -> str:
    """The entries of PACKAGES, with their hashes."""
    entries = re.findall(r"^[A-Za-z0-9._-]+==.*?(?=^\S|\Z)", lock, re.DOTALL | re.MULTILINE)
    kept = [e for e in entries if e.partition("==")[0].lower() in PACKAGES]
    if len(kept) != len(PACKAGES):
        raise RuntimeError(f"the lock lacks some of {', '.join(PACKAGES)}")
    return "".join(kept)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr[-1500:]}")
