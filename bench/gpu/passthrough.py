"""The GPU in a container of Podman and crun, by CDI and by its device files, under the list of system calls for CUDA.

The container's root is an empty folder into which this machine's own programs and packages are bound, so that no image
is needed. Without a device it must find no GPU: so what the other two find came by the device.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
#: Where engines look for CDI's documents.
_CDI = (Path("/etc/cdi"), Path("/var/run/cdi"))
_ASKED = """
import json, os, torch
found = torch.cuda.is_available()
x = torch.ones(64, 64, device="cuda" if found else "cpu")
print(json.dumps({"cuda": found, "sum": float((x @ x).sum()), "torch": torch.__version__,
                  "devices": sorted(n for n in os.listdir("/dev") if n.startswith("nvidia"))}))
"""


class NoEngineError(Exception):
    """No container can be run here; its text says why."""


def seen(*, gpu: bool) -> dict[str, Any]:
    """What a container without a device says, and, where there is a GPU, with it by CDI and by its files."""
    with tempfile.TemporaryDirectory() as name:
        engine, without = _engine(Path(name))
        figures: dict[str, Any] = {"runtime": engine.runtime, "without a device": without}
        if without["cuda"]:
            raise RuntimeError(f"a container without a device has a GPU: {figures}")
        if gpu:
            files = [str(each) for each in sorted(Path("/dev").glob("nvidia*")) if each.is_char_device()]
            figures["by device"] = engine.run(*(f"--device={each}" for each in files))
            with _described(files) as device:
                figures["by CDI"] = engine.run(f"--device={device}")
            if not (figures["by device"]["cuda"] and figures["by CDI"]["cuda"]):
                raise RuntimeError(f"a container with the device has no GPU: {figures}")
        return figures


class _Podman:
    """Podman with all that it writes in one folder."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self._folder, self.runtime = folder, Path(runtime).name
        unpacked = Path(os.environ.get("HARNESS_PODMAN_ROOT") or "/nowhere")
        libraries = [str(p) for p in unpacked.glob("usr/lib/*-linux-gnu")]
        before = ":".join([*libraries, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
        # conmon starts the runtime with an environment of its own.
        wrapped = folder / self.runtime
        wrapped.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={before} exec {runtime} "$@"\n', "utf-8")
        wrapped.chmod(0o700)
        cgroups = "disabled" if self.runtime == "crun" else "enabled"  # runc knows no other
        (folder / "containers.conf").write_text(
            f'[containers]\ncgroups = "{cgroups}"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
            f'runtime = "{wrapped}"\nconmon_path = ["{_found("conmon")}"]\n',
            "utf-8",
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n', "utf-8"
        )
        self._environment = os.environ | {
            "LD_LIBRARY_PATH": before,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
        self._environment["PATH"] = f"{unpacked}/usr/bin:{self._environment['PATH']}"

    def run(self, *more: str) -> dict[str, Any]:
        """What the question above is answered in a container. Raises NoEngineError with the engine's words."""
        rootfs = self._folder / "rootfs"
        (rootfs / "tmp").mkdir(parents=True, exist_ok=True)
        command = [_found("podman"), "run", "--rm", "--network=none", "--cap-drop=all", "--read-only", *more]
        command += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--security-opt=no-new-privileges"]
        command += [f"--security-opt=seccomp={ROOT / 'dockerfiles' / 'seccomp-cuda.json'}"]
        command += [f"--volume={place}:{place}:ro" for place in _places()]
        kept = {
            "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
            "PYTHONPATH": ":".join(filter(None, sys.path)),
        }
        command += [f"--env={name}={value}" for name, value in kept.items()]
        command += ["--rootfs", str(rootfs), sys.executable, "-c", _ASKED]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise NoEngineError(f"Podman with {self.runtime}: {done.stderr.strip()[-400:]}")
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told


def _engine(folder: Path) -> tuple[_Podman, dict[str, Any]]:
    """Podman with the first runtime that runs a container here, and what is said in there without a device."""
    refused = []
    for name in ("crun", "runc"):
        if (runtime := _path(name)) is None:
            refused.append(f"{name} is missing")
            continue
        (folder / f"with-{name}").mkdir()
        engine = _Podman(folder / f"with-{name}", runtime)
        try:
            return engine, engine.run()
        except NoEngineError as error:
            refused.append(str(error))
    raise NoEngineError("; ".join(refused))


def _path(name: str) -> str | None:
    unpacked = Path(os.environ.get("HARNESS_PODMAN_ROOT") or "/nowhere") / "usr" / "bin" / name
    return str(unpacked) if unpacked.exists() else shutil.which(name)


def _found(name: str) -> str:
    path = _path(name)
    if path is None:
        raise NoEngineError(f"{name} is missing")
    return path


def _places() -> list[str]:
    """Folders that this Python and its libraries lie in, none inside another."""
    wanted = ["/usr", "/lib", "/lib64", "/bin", sys.prefix, sys.base_prefix, str(ROOT), *filter(None, sys.path)]
    wanted += [place for place in os.environ.get("LD_LIBRARY_PATH", "").split(":") if place]
    there = sorted({place for place in wanted if Path(place).is_dir()})
    return [place for place in there if not any(place.startswith(f"{other}/") for other in there)]


@contextmanager
def _described(files: list[str]) -> Iterator[str]:
    """The device's name in CDI: by a document that is there, else by one that is there for as long as this lasts."""
    documents = [path for folder in _CDI if folder.is_dir() for path in folder.iterdir() if path.is_file()]
    if any(b"nvidia.com/gpu" in path.read_bytes() for path in documents):
        yield "nvidia.com/gpu=0"
        return
    # The driver's libraries are bound in with all others, so the files alone are to be named.
    edits = {"deviceNodes": [{"path": each} for each in files]}
    document = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "0", "containerEdits": edits}]}
    made = [folder for folder in (_CDI[1],) if not folder.exists()]
    _CDI[1].mkdir(parents=True, exist_ok=True)
    path = _CDI[1] / "harness-bench.json"
    path.write_text(json.dumps(document), "utf-8")
    try:
        yield "nvidia.com/gpu=0"
    finally:
        path.unlink()
        for folder in made:
            folder.rmdir()
