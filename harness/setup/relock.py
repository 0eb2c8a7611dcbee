"""Regenerate the locks under dockerfiles/locks: `make lock`, for maintainers, never part of a set-up.

pip resolves; this only asks it for its report (`--dry-run`, so no large wheel is fetched where the index
serves metadata) and writes down names, versions and digests. Addresses never get into a lock: the
configuration of the machine that installs says where to look.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.image.lockfile import Locked, parse, render
from harness.image.targets import SANDBOX_PLATFORMS, SANDBOX_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "dockerfiles" / "locks"
TORCH = "torch==2.13.0"
PIP = "pip==26.3"

_MANYLINUX = (28, 27, 26, 25, 24, 17, 12, 5)
HOST_PLATFORMS: dict[str, tuple[str, ...]] = {
    machine: (*(f"manylinux_2_{minor}_{machine}" for minor in _MANYLINUX), f"manylinux2014_{machine}")
    for machine in ("x86_64", "aarch64")
} | {"macos": tuple(f"macosx_{major}_0_{kind}" for major in (14, 13, 12, 11) for kind in ("arm64", "universal2"))}
HOST_PYTHONS = ("3.11", "3.12", "3.13")
HEADER = "Written by `make lock`; do not edit. Installed with `pip --require-hashes`."


def main() -> None:
    """Write every lock anew."""
    host = everywhere("host.txt", host_requirements())
    _write("host.txt", host, "What the trusted side runs on: plots and dev tools included.")
    _write("ray.txt", ray_pins(host), "What the Ray engine needs beside host.txt.")
    for name, requirement, local in (
        ("sandbox-cpu.txt", f"{TORCH}+cpu", True),
        ("sandbox-cuda.txt", TORCH, False),
        ("build.txt", PIP, True),
    ):
        pins = resolve([requirement], SANDBOX_PLATFORMS, SANDBOX_PYTHON, find_links=local)
        _write(name, pins, f"For the image, CPython {SANDBOX_PYTHON} on x86_64 Linux: {requirement}.")
    for name, torch, local in (("trainer-cpu.txt", f"{TORCH}+cpu", True), ("trainer-cuda.txt", TORCH, False)):
        pins = resolve(train_requirements(torch), SANDBOX_PLATFORMS, SANDBOX_PYTHON, find_links=local)
        _write(name, pins, f"For trainers, CPython {SANDBOX_PYTHON} on x86_64 Linux: the extra `train` with {torch}.")


def ray_pins(host: tuple[Locked, ...]) -> tuple[Locked, ...]:
    """What the extra `ray` adds to the host's packages, none of which it may change."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["optional-dependencies"]["ray"], *(f"{pin.name}=={pin.version}" for pin in host)]
    there = {_key(pin.name) for pin in host}
    return tuple(pin for pin in everywhere("ray.txt", wanted) if _key(pin.name) not in there)


def _key(name: str) -> str:
    """A package's name, as indexes compare them."""
    return name.lower().replace("_", "-").replace(".", "-")


def everywhere(lock: str, requirements: Sequence[str]) -> tuple[Locked, ...]:
    """Resolve once, on the reference platform, then collect the same versions' digests for the others."""
    reference = resolve(requirements, HOST_PLATFORMS["x86_64"], SANDBOX_PYTHON)
    pins = {pin.name: pin for pin in reference}
    exact = [f"{pin.name}=={pin.version}" for pin in reference]
    for python in HOST_PYTHONS:
        for machine, platforms in HOST_PLATFORMS.items():
            try:
                found = resolve(exact, platforms, python, dependencies=False)
            except subprocess.CalledProcessError:
                _say(f"{lock}: not every package has a wheel for Python {python} on {machine}; left out")
                continue
            for pin in found:
                pins[pin.name] = Locked(pin.name, pin.version, pins[pin.name].digests | pin.digests)
    return tuple(pins.values())


def host_requirements() -> list[str]:
    """Return what pyproject.toml asks for on the host: build backend, dependencies, plots, PostgreSQL and dev."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *extras["discover"],
        *extras["plots"],
        *extras["postgres"],
        *extras["dev"],
    ]
    return [str(requirement) for requirement in wanted]


def train_requirements(torch: str) -> list[str]:
    """Return what pyproject.toml asks for in the extra `train`, with this torch, at the host's own versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [str(r) for r in project["project"]["optional-dependencies"]["train"] if not r.startswith("torch==")]
    # Where host and trainer have the same package, it is the same version: tests run with both in one environment.
    shared = {pin.name: pin.version for pin in parse((LOCKS / "host.txt").read_text(encoding="utf-8"), "host.txt")}
    first = resolve([*wanted, torch], SANDBOX_PLATFORMS, SANDBOX_PYTHON, find_links="+cpu" in torch)
    return [*wanted, torch, *(f"{pin.name}=={shared[pin.name]}" for pin in first if pin.name in shared)]


def resolve(
    requirements: Sequence[str],
    platforms: Iterable[str],
    python: str,
    *,
    find_links: bool = True,
    dependencies: bool = True,
) -> tuple[Locked, ...]:
    """Ask pip what it would install on another platform; `find_links=False` looks in the index alone."""
    env = dict(os.environ)
    if not find_links:  # a local CPU wheel would satisfy the CUDA build's version
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--platform={platform}" for platform in platforms]
        command += [] if dependencies else ["--no-deps"]
        command += [f"--target={scratch}/none", f"--report={report}", *requirements]
        subprocess.run(command, check=True, env=env, stdin=subprocess.DEVNULL)
        content = json.loads(report.read_text(encoding="utf-8"))
    return tuple(_locked(item) for item in content["install"])


def _locked(item: dict[str, Any]) -> Locked:
    digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
    return Locked(item["metadata"]["name"].lower(), item["metadata"]["version"], frozenset([digest]))


def _write(name: str, pins: tuple[Locked, ...], purpose: str) -> None:
    (LOCKS / name).write_text(render(pins, f"{HEADER}\n{purpose}"), encoding="utf-8")
    _say(f"{name}: {len(pins)} packages")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a maintainer's script


if __name__ == "__main__":
    main()
