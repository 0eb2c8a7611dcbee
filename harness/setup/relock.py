"""Regenerate the locks under dockerfiles/locks: `make lock`, for maintainers, never part of a set-up.

What a lock has today stays where it still fits what `pyproject.toml` asks for; `--upgrade` takes the newest instead.
pip resolves; this only asks it for its report (`--dry-run`, so no large wheel is fetched where the index
serves metadata) and writes down names, versions and digests. Addresses never get into a lock: the
configuration of the machine that installs says where to look.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.images.inputs import SANDBOX_PLATFORMS, SANDBOX_PYTHON
from harness.images.wheelhouse import Locked, parse, render

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


#: The names of all locks; `ray.txt` and those of trainers stand on `host.txt`.
NAMES = (
    "host.txt",
    "ray.txt",
    "sandbox-cpu.txt",
    "sandbox-cuda.txt",
    "build.txt",
    "trainer-cpu.txt",
    "trainer-cuda.txt",
)


def main(arguments: list[str] | None = None) -> None:
    """Write every lock anew, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m harness.setup.relock", description=__doc__)
    parser.add_argument("locks", nargs="*", metavar="LOCK", help=f"one of {', '.join(NAMES)} (all by default)")
    parser.add_argument("--upgrade", action="store_true", help="take the newest of everything")
    parser.add_argument(
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="take the newest of this one, and of those",
    )
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.locks) - set(NAMES):
        parser.error(f"there is no lock {', '.join(sorted(unknown))}")
    wanted = chosen.locks or NAMES
    kept = {name: () if chosen.upgrade else kept_pins(name, chosen.upgrade_package) for name in NAMES}
    if "host.txt" in wanted:
        host = everywhere("host.txt", host_requirements(), kept["host.txt"])
        _write("host.txt", host, "What the trusted side runs on: plots and dev tools included.")
    if "ray.txt" in wanted:
        _write(
            "ray.txt", ray_pins(_locked_now("host.txt"), kept["ray.txt"]), "What the Ray engine needs beside host.txt."
        )
    for name, requirement, local in (
        ("sandbox-cpu.txt", f"{TORCH}+cpu", True),
        ("sandbox-cuda.txt", TORCH, False),
        ("build.txt", PIP, True),
    ):
        if name in wanted:
            pins = resolve([requirement], SANDBOX_PLATFORMS, SANDBOX_PYTHON, find_links=local, kept=kept[name])
            _write(name, pins, f"For the image, CPython {SANDBOX_PYTHON} on x86_64 Linux: {requirement}.")
    for name, torch, local in (("trainer-cpu.txt", f"{TORCH}+cpu", True), ("trainer-cuda.txt", TORCH, False)):
        if name in wanted:
            asked = train_requirements(torch, kept[name])
            pins = resolve(asked, SANDBOX_PLATFORMS, SANDBOX_PYTHON, find_links=local, kept=kept[name])
            purpose = f"For trainers, CPython {SANDBOX_PYTHON} on x86_64 Linux: the extra `train` with {torch}."
            _write(name, pins, purpose)


def kept_pins(name: str, but: Sequence[str] = ()) -> tuple[Locked, ...]:
    """What a lock has today, without the packages that are to be the newest."""
    newest = {canonicalize_name(package) for package in but}
    return tuple(pin for pin in _locked_now(name) if canonicalize_name(pin.name) not in newest)


def constraints(requirements: Sequence[str], kept: Iterable[Locked]) -> list[str]:
    """The pins that pip is held to: all that do not contradict what is asked for by name."""
    asked = [Requirement(requirement) for requirement in requirements]
    return [
        f"{pin.name}=={pin.version}"
        for pin in kept
        if all(
            each.specifier.contains(pin.version, prereleases=True)
            for each in asked
            if canonicalize_name(each.name) == canonicalize_name(pin.name)
        )
    ]


def _locked_now(name: str) -> tuple[Locked, ...]:
    path = LOCKS / name
    return parse(path.read_text(encoding="utf-8"), name) if path.exists() else ()


def ray_pins(host: tuple[Locked, ...], kept: tuple[Locked, ...]) -> tuple[Locked, ...]:
    """What the extra `ray` adds to the host's packages, none of which it may change."""
    wanted = [*_project()["optional-dependencies"]["ray"], *(f"{pin.name}=={pin.version}" for pin in host)]
    there = {canonicalize_name(pin.name) for pin in host}
    return tuple(pin for pin in everywhere("ray.txt", wanted, kept) if canonicalize_name(pin.name) not in there)


def _project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def everywhere(lock: str, requirements: Sequence[str], kept: Iterable[Locked] = ()) -> tuple[Locked, ...]:
    """Resolve once, on the reference platform, then collect the same versions' digests for the others."""
    reference = resolve(requirements, HOST_PLATFORMS["x86_64"], SANDBOX_PYTHON, kept=kept)
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


def train_requirements(torch: str, kept: tuple[Locked, ...] = ()) -> list[str]:
    """Return what pyproject.toml asks for in the extra `train`, with this torch, at the host's own versions."""
    wanted = [str(r) for r in _project()["optional-dependencies"]["train"] if Requirement(r).name != "torch"]
    # Where host and trainer have the same package, it is the same version: tests run with both in one environment.
    shared = {pin.name: pin.version for pin in _locked_now("host.txt")}
    first = resolve([*wanted, torch], SANDBOX_PLATFORMS, SANDBOX_PYTHON, find_links="+cpu" in torch, kept=kept)
    return [*wanted, torch, *(f"{pin.name}=={shared[pin.name]}" for pin in first if pin.name in shared)]


def resolve(
    requirements: Sequence[str],
    platforms: Iterable[str],
    python: str,
    *,
    find_links: bool = True,
    dependencies: bool = True,
    kept: Iterable[Locked] = (),
) -> tuple[Locked, ...]:
    """Ask pip what it would install on another platform; `find_links=False` looks in the index alone.

    `kept` is what a lock has today and is to keep. Where that does not go with what a package asks for that is new, pip
    says so and nothing is written: `--upgrade-package` names what may move.
    """
    env = dict(os.environ)
    if not find_links:  # a local CPU wheel would satisfy the CUDA build's version
        env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        held = Path(scratch) / "constraints.txt"
        held.write_text("".join(f"{line}\n" for line in constraints(requirements, kept)), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--platform={platform}" for platform in platforms]
        command += [] if dependencies else ["--no-deps"]
        command += [f"--target={scratch}/none", f"--report={report}", f"--constraint={held}", *requirements]
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
