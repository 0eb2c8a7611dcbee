"""Runs in the build: install the locked wheels into /opt/site-packages, and leave out what a sandbox never needs.

Covered: no index, every wheel by its digest, pip run from its own wheel and never installed.
Not covered: whether the wheels are honest; the lock says which ones, not what is in them.
"""

# ruff: noqa: INP001 - a script of the image build, not a package
from __future__ import annotations

import compileall
import hashlib
import py_compile
import re
import shutil
import subprocess
import sys
from pathlib import Path

BUILD = Path("/build")
#: By this name dill knows modules that it can name and need not take apart; `datasets` asks it for digests.
SITE = Path("/opt/site-packages")
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
LEFT_OUT = (
    "bin", "share", "pip", "pip-*", "setuptools", "setuptools-*", "_distutils_hack", "pkg_resources",
    "distutils-precedence.pth", "torch/include", "torch/share", "torch/test", "torchgen/packaged", "caffe2",
    "torch/bin/[!t]*", "torch/bin/test*",  # torch_shm_manager stays: `import torch` looks for it
    "nvidia/*/include", "triton/backends/*/include",
)  # fmt: skip
LEFT_OUT_ANYWHERE = ("*.a", "*.pyi", "*.h", "*.cuh", "tests")


def main() -> None:
    """Install, trim, compile; any failure ends the build."""
    wheel = _checked_pip()
    command = [sys.executable, "-I", "-B", f"{wheel}/pip", "install", "--quiet"]
    command += ["--no-index", "--no-cache-dir", "--find-links", str(BUILD / "wheelhouse")]
    command += [
        "--require-hashes",
        "--no-compile",
        "--no-deps",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]
    command += ["--target", str(SITE), "--requirement", str(BUILD / "lock.txt")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    for pattern in LEFT_OUT:
        for found in SITE.glob(pattern):
            _remove(found)
    for pattern in LEFT_OUT_ANYWHERE:
        for found in list(SITE.rglob(pattern)):
            _remove(found)
    compileall.compile_dir(SITE, quiet=2, force=True, invalidation_mode=UNCHECKED, workers=1)
    subprocess.run([sys.executable, "-I", "-B", "-c", _PROBE], check=True, stdin=subprocess.DEVNULL)


_PROBE = """
import torch
x = torch.linspace(-3, 3, 7, requires_grad=True)
(-torch.nn.functional.logsigmoid(0.1 * x)).sum().backward()
assert x.grad is not None and torch.isfinite(x.grad).all()
"""


def _checked_pip() -> Path:
    """Return pip's wheel after comparing it with its lock: nothing else checks the installer itself."""
    allowed = set(re.findall(r"sha256:([0-9a-f]{64})", (BUILD / "build.txt").read_text(encoding="ascii")))
    for wheel in (BUILD / "wheelhouse").glob("pip-*.whl"):
        if hashlib.sha256(wheel.read_bytes()).hexdigest() in allowed:
            return wheel
    raise SystemExit("the wheelhouse holds no pip wheel with a locked digest")


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
