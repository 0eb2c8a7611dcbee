"""The whole examination: the engine, the image, the container, then the probes, two at a time."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.containers.cgroup import group_of
from harness.containers.devices import choose, disk_of
from harness.containers.engine import Engine, sweep
from harness.containers.request import Recipe
from harness.core.errors import InfrastructureError
from harness.core.profiles import DEFAULT, load
from harness.doctor import engine, judge, probing
from harness.doctor.model import Examination, Result
from harness.images import current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.doctor.model import Outcome

_GROUPS = (
    engine.CHECKS,
    engine.IMAGE_CHECKS,
    judge.PREFLIGHT_CHECKS,
    judge.KERNEL_CHECKS,
    judge.FILE_CHECKS,
    judge.COUNTED_CHECKS,
    probing.CHECKS,
)
#: Every check there is, in order of the ids.
CHECKS = tuple(sorted((check for group in _GROUPS for check in group), key=lambda check: check.id))
_TOOLKIT = (("nvidia-ctk", "--version"), ("nvidia-container-cli", "--version"))
_AT_A_TIME = 2


@dataclass(frozen=True)
class Wishes:
    """What is to be examined: as `harness check` would be told."""

    runtime: str | None = None
    gpu: str = "auto"
    image: str | None = None
    strict: bool = False


def examine(wishes: Wishes, say: Callable[[str], None]) -> Examination:
    """Examine this host; `say` is told of every step. Raises UserError for wishes that make no sense."""
    began = time.monotonic()
    about: dict[str, str] = {}
    found = list(_outcomes(wishes, about, say))
    missing = {check.id for check in CHECKS} - {outcome.check.id for outcome in found}
    found += [check.not_applicable("not tried: a check before it failed") for check in CHECKS if check.id in missing]
    found.sort(key=lambda outcome: outcome.check.id)
    return Examination(tuple(found), about, wishes.strict, time.monotonic() - began)


def _outcomes(wishes: Wishes, about: dict[str, str], say: Callable[[str], None]) -> Iterator[Outcome]:
    say("the engine")
    try:
        connection = Engine()
    except InfrastructureError as error:
        yield engine.ANSWERS.failed(error.message, error.remedy)
        return
    with contextlib.closing(connection):
        yield from _with_engine(connection, wishes, about, say)


def _with_engine(
    connection: Engine, wishes: Wishes, about: dict[str, str], say: Callable[[str], None]
) -> Iterator[Outcome]:
    info = connection.info()
    version, podman = connection.version()
    gpu = choose(wishes.gpu, info)
    disk, about_disk = disk_of(connection.url, info, podman=podman)
    group = group_of(connection.url, info, podman=podman)
    view = engine.EngineView(
        connection.url,
        connection.account(),
        info,
        socket_mode=_socket_mode(connection.url),
        runtime=wishes.runtime,
        gpu=gpu,
        toolkit=_toolkit_version() if gpu else "",
        disk=disk,
        about_disk=about_disk,
        group=group,
    )
    about |= {
        "engine": f"{'Podman' if podman else 'Docker'} {version}",
        "containerd": view.component("containerd") or "unknown",
        "runtime": view.used_runtime,
        "kernel": str(info.get("KernelVersion", "unknown")),
        "system": str(info.get("OperatingSystem", "unknown")),
        "device": "cpu" if gpu is None else f"cpu and GPU {gpu.index} (by {gpu.method})",
    }
    found = list(engine.examine(view))
    yield from found
    say("the image")
    variant = "cuda" if gpu is not None else "cpu"
    try:
        digest = wishes.image or current(variant).digest
    except InfrastructureError as error:
        yield engine.INTACT.failed(error.message, error.remedy)
        return
    yield engine.image_intact(wishes.image, variant)
    try:
        described = connection.image(digest)
    except InfrastructureError as error:
        yield engine.CONFIGURED.failed(error.message, error.remedy)
        return
    about["image"] = str(described.get("Id", digest))
    yield engine.image_configured(described)
    if any(outcome.check is engine.RUNTIME and outcome.result is Result.FAILED for outcome in found):
        return
    sweep(connection)
    # The sandbox that `harness check` would start.
    limits = load(DEFAULT).limits(gpu=gpu is not None)
    recipe = Recipe(
        digest,
        limits,
        variant=variant,
        gpu=gpu,
        runtime=wishes.runtime,
        podman=podman,
        disk=disk,
        group=group.parent,
    )
    with _canary() as (path, secret):
        lab = probing.Lab(connection.url, recipe, path)
        for outcomes in _side_by_side(lab.jobs(), say):
            yield from outcomes
        yield lab.left(secret)


def _side_by_side(
    jobs: Iterable[tuple[str, Callable[[], list[Outcome]]]], say: Callable[[str], None]
) -> Iterator[list[Outcome]]:
    """Run all jobs, some at a time. An interrupt lets the running ones end, so that they remove what they made."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        running = [(words, pool.submit(job)) for words, job in jobs]
        try:
            for words, future in running:
                say(words)
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextlib.contextmanager
def _canary() -> Iterator[tuple[Path, str]]:
    """A secret of the host: in a file of its own folder, and in the harness's own environment."""
    secret = f"harness-canary-{secrets.token_hex(16)}"
    with tempfile.TemporaryDirectory(prefix="harness-doctor-") as folder:
        path = Path(folder) / "secret"
        path.write_text(secret, encoding="ascii")
        os.environ["HARNESS_DOCTOR_CANARY"] = secret
        try:
            yield path, secret
        finally:
            del os.environ["HARNESS_DOCTOR_CANARY"]


def _socket_mode(url: str) -> int | None:
    parts = urlsplit(url)
    try:
        return stat.S_IMODE(Path(parts.path).stat().st_mode) if parts.scheme == "unix" else None
    except OSError:
        return None


def _toolkit_version() -> str:
    """What the NVIDIA toolkit says of its version; empty where it is not on this host."""
    for command in _TOOLKIT:
        if shutil.which(command[0]) is None:
            continue
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
            if done.stdout.strip():
                return done.stdout.splitlines()[0]
    return ""
