"""The engine's own command with exactly the request of a sandbox, for what the harness is compared with."""

from __future__ import annotations

import contextlib
import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checks.checker import Checker
from harness.containers.request import Recipe, container_request
from harness.core.profiles import DEFAULT, load
from harness.images import current
from harness.ladder import measuring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.training.serving import Served

ROOT = Path(__file__).resolve().parents[1]
HARNESS = ROOT / ".venv" / "bin" / "harness"
LOSSES = ROOT / "harness" / "losses"
#: For so many seconds at most a bench trains with one sandbox.
_TRAINING = 3600.0


def candidates() -> list[Path]:
    """The catalogue's losses."""
    return sorted(p for p in LOSSES.glob("*.py") if p.name != "__init__.py")


def sandbox_image() -> str:
    """Digest of the image that `harness check` would use now."""
    return current().digest


def docker_run(image: str, arguments: Sequence[str], *, interactive: bool = False) -> list[str]:
    """`docker run --rm` with every flag of the sandbox's request, and Python with these arguments in it.

    The request is taken apart key by key, and a key that is not known here is an error: a limit that is
    added to the sandbox is added to the comparison, or the comparison stops.
    """
    body = dict(container_request(Recipe(image, load(DEFAULT).limits(gpu=False))))
    host: dict[str, Any] = dict(body.pop("HostConfig"))
    seccomp = importlib.resources.files("harness.dockerfiles").joinpath("seccomp.json")
    flags = ["docker", "run", "--rm", f"--user={body.pop('User')}", f"--workdir={body.pop('WorkingDir')}"]
    flags += [f"--hostname={body.pop('Hostname')}", "--no-healthcheck"]
    flags += [f"--env={entry}" for entry in body.pop("Env")]
    flags += [f"--network={host.pop('NetworkMode')}", f"--ipc={host.pop('IpcMode')}"]
    flags += [f"--cap-drop={name}" for name in host.pop("CapDrop")]
    flags += ["--read-only"] if host.pop("ReadonlyRootfs") else []
    for option in host.pop("SecurityOpt"):
        flags.append(f"--security-opt={f'seccomp={seccomp}' if option.startswith('seccomp=') else option}")
    flags += [f"--memory={host.pop('Memory')}", f"--memory-swap={host.pop('MemorySwap')}"]
    flags += [f"--pids-limit={host.pop('PidsLimit')}", f"--cpus={host.pop('NanoCpus') / 1e9}"]
    flags += [f"--ulimit={limit['Name']}={limit['Soft']}:{limit['Hard']}" for limit in host.pop("Ulimits")]
    flags += [f"--tmpfs={where}:{options}" for where, options in host.pop("Tmpfs").items()]
    flags.append(f"--log-driver={host.pop('LogConfig')['Type']}")
    entry, options = body.pop("Entrypoint")[0], ["-s", "-P", "-B"]
    for key in ("OomKillDisable", "Privileged", "Init", "AutoRemove", "RestartPolicy"):
        host.pop(key)  # as the engine does by itself
    streams = ("OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr", "Tty")
    for key in ("Image", "Cmd", "NetworkDisabled", "Healthcheck", "Labels", *streams):
        body.pop(key)
    if host or body:
        raise RuntimeError(f"the sandbox's request has parts that the comparison lacks: {[*host, *body]}")
    flags += ["--interactive"] if interactive else []
    return [*flags, f"--entrypoint={entry}", image, *options, *arguments]


@contextlib.contextmanager
def served(path: Path) -> Iterator[Served]:
    """The candidate of a file in a sandbox, as trainers ask it."""
    with Checker.open() as checker, measuring.served(checker, checker.screen(path), {}, _TRAINING) as one:
        yield one
