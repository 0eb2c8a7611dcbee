"""The engine and the image, by what the engine says of them: versions, security options, limits, digest, settings.

Covered: whatever makes a sandbox on this engine weaker than it looks, as far as the engine tells. Not
covered: whether it tells the truth; the probes look for themselves. Nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.containers.cgroup import Group
from harness.containers.request import DISK_BYTES, DISK_REQUESTS, USER
from harness.core.errors import ImageMissingError, UserError
from harness.doctor import versions
from harness.doctor.model import Check
from harness.images import current_tag
from harness.images.engine import LABEL
from harness.images.refs import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.containers.devices import GpuChoice
    from harness.doctor.model import Outcome


ANSWERS = Check("D101", "engine-answers", "A container engine answers.", "start an engine, or name one by DOCKER_HOST")
ADDRESS = Check(
    "D102",
    "engine-address",
    "The engine is reached by a socket file that not everybody may open, or encrypted.",
    "have the engine listen on a Unix socket with mode 0660, or over ssh; whoever reaches its API is root there",
)
REMAPPED = Check(
    "D103",
    "rootless-or-remapped",
    "Root inside a container is an ordinary user outside.",
    'use rootless Docker or Podman, or set "userns-remap": "default" in /etc/docker/daemon.json',
)
SECCOMP = Check(
    "D104",
    "engine-seccomp",
    "The engine can filter system calls.",
    "use a kernel with CONFIG_SECCOMP_FILTER and an engine built with seccomp",
)
ACCESS_CONTROL = Check(
    "D105",
    "access-control",
    "AppArmor or SELinux stands behind the other layers.",
    "turn AppArmor or SELinux on in the host's kernel, and install the engine's profile for it",
)
LIMITS = Check(
    "D106",
    "engine-limits",
    "The engine can limit memory, swap, processes and processor.",
    "use cgroup v2 with the controllers memory, pids and cpu, delegated where the engine is rootless",
)
RUNTIME = Check(
    "D107",
    "runtime",
    "The runtime that was asked for is registered with the engine.",
    "register it (for gVisor `runsc install`, then restart the engine), or leave --runtime out",
)
RUNC = Check(
    "D108",
    "runc-version",
    "The number of runc's version is past every known hole.",
    "update runc to 1.2.8, 1.3.3, 1.4.0 or later, or see in your distribution's notes that it mended these",
)
DESKTOP = Check(
    "D109",
    "docker-desktop-version",
    "The number of Docker Desktop's version is past every known hole.",
    "update Docker Desktop to 4.44.3 or later",
)
TOOLKIT = Check(
    "D110",
    "nvidia-toolkit-version",
    "The number of the NVIDIA Container Toolkit's version is past every known hole.",
    "update the NVIDIA Container Toolkit to 1.19.1 or later and use CDI, or run with --gpu none",
)
WARNINGS = Check(
    "D111",
    "engine-warnings",
    "The engine has no warnings about itself.",
    "do what the engine's warning says; `docker info` prints it",
)
DISK = Check(
    "D112",
    "disk-limit",
    "What a sandbox reads from the engine's disk each second can be limited.",
    "use a rootful Docker on this host, its data on an ordinary disk; else a candidate may keep the disk busy",
)
GROUP = Check(
    "D113",
    "control-group",
    "Sandboxes lie in a control group of their own, which counts for more than a process of this host.",
    "use a rootful Docker on this host, and run the harness as root once; else busy neighbours make checks slow",
)
CHECKS = (
    ANSWERS, ADDRESS, REMAPPED, SECCOMP, ACCESS_CONTROL, LIMITS, RUNTIME, RUNC, DESKTOP, TOOLKIT, WARNINGS, DISK, GROUP,
)  # fmt: skip
_BACKPORTS = "distributions mend old versions, so the number alone proves nothing"
#: What the bridge's own filters are told; no sandbox has a bridge.
_IDLE_WARNINGS = ("bridge-nf-call", "ipv4 forwarding", "ip6tables")
INTACT = Check(
    "D201",
    "image-intact",
    "The sandbox image is the one that was built from these sources.",
    "build it anew with `harness image build`; `harness image verify` tells what differs",
)
CONFIGURED = Check(
    "D202",
    "image-configuration",
    "The image brings no volume, no other user and no environment of its own.",
    "build it with `harness image build`, and use no image that somebody else put together",
)
IMAGE_CHECKS = (INTACT, CONFIGURED)
#: What the image's own recipe sets, and what a base may.
_ENVIRONMENT = {"PATH", "LANG", "HOME", "PYTHONDONTWRITEBYTECODE", "NVIDIA_DRIVER_CAPABILITIES"}


@dataclass(frozen=True)
class EngineView:
    """What there is to look at: the engine's two accounts of itself, its address, and what is asked of it.

    `socket_mode` are the permission bits of a socket file; `toolkit` is what the NVIDIA toolkit's own command
    says about its version, empty where there is none. `disk` is the device that images are read from, or None for
    the reason in `about_disk`; `group` is the control group of the sandboxes.
    """

    url: str
    version: Mapping[str, Any]
    info: Mapping[str, Any]
    socket_mode: int | None = None
    runtime: str | None = None
    gpu: GpuChoice | None = None
    toolkit: str = ""
    disk: str | None = None
    about_disk: str = ""
    group: Group = field(default_factory=lambda: Group(None, "nobody has looked"))

    @property
    def security(self) -> tuple[str, ...]:
        """Names among the engine's security options, such as "seccomp" and "rootless"."""
        options = self.info.get("SecurityOptions") or ()
        return tuple(str(option).removeprefix("name=").partition(",")[0] for option in options)

    def component(self, name: str) -> str:
        """The version of a part of the engine; empty where it is not named."""
        for part in self.version.get("Components") or ():
            if name in str(part.get("Name", "")).lower():
                return str(part.get("Version", ""))
        return ""

    @property
    def used_runtime(self) -> str:
        """The runtime that sandboxes get."""
        return self.runtime or str(self.info.get("DefaultRuntime") or "runc")


def examine(view: EngineView) -> Iterator[Outcome]:
    """Every check of the engine, in order of their ids."""
    yield ANSWERS.ok(f"version {view.version.get('Version', '?')}, API {view.version.get('ApiVersion', '?')}")
    yield _address(view)
    yield _remapped(view)
    seccomp = "seccomp" in view.security
    yield SECCOMP.holds(when=seccomp, seen="it can" if seccomp else "it names no seccomp among its security options")
    named = [name for name in ("apparmor", "selinux") if name in view.security]
    yield ACCESS_CONTROL.ok(named[0]) if named else ACCESS_CONTROL.warning("neither is in force")
    yield _limits(view)
    yield _runtime(view)
    yield _runc(view)
    yield _desktop(view)
    yield _toolkit(view)
    yield _warnings(view)
    known = f"{view.disk}, {DISK_BYTES >> 20} MiB and {DISK_REQUESTS} requests a second"
    yield DISK.ok(known) if view.disk else DISK.warning(f"it is not known which disk that is: {view.about_disk}")
    yield _group(view.group)


def _group(group: Group) -> Outcome:
    if group.parent is None:
        return GROUP.warning(f"they lie where the engine puts its containers: {group.told}")
    return GROUP.ok(group.told) if group.weighted else GROUP.warning(group.told)


def _address(view: EngineView) -> Outcome:
    scheme = urlsplit(view.url).scheme
    if scheme in {"tcp", "http"}:
        return ADDRESS.warning(f"{view.url} is not encrypted, and asks nobody who they are")
    if scheme == "unix" and view.socket_mode is not None and view.socket_mode & 0o002:
        return ADDRESS.warning(f"everybody on this host may open {view.url} (mode {view.socket_mode:04o})")
    return ADDRESS.ok(view.url)


def _remapped(view: EngineView) -> Outcome:
    for option, words in (("rootless", "the engine is rootless"), ("userns", "user namespaces are remapped")):
        if option in view.security:
            return REMAPPED.ok(words)
    return REMAPPED.warning("root inside would be root outside; sandboxes run as another user all the same")


def _limits(view: EngineView) -> Outcome:
    names = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "processor", "SwapLimit": "swap"}
    missing = [word for name, word in names.items() if view.info.get(name) is False]
    silent = [word for name, word in names.items() if view.info.get(name) is None]
    cgroups = f"cgroup v{view.info.get('CgroupVersion', '?')}, {view.info.get('CgroupDriver', '?')}"
    if missing and missing != ["swap"]:
        return LIMITS.failed(f"it cannot limit {', '.join(missing)} ({cgroups})")
    if missing:
        return LIMITS.warning(f"it cannot limit swap ({cgroups})", "turn swap accounting on, or swap off")
    if silent:
        return LIMITS.warning(f"it does not say whether it can limit {', '.join(silent)} ({cgroups})")
    return LIMITS.ok(f"memory, swap, processes and processor ({cgroups})")


def _runtime(view: EngineView) -> Outcome:
    if view.runtime is None:
        return RUNTIME.not_applicable(f"none was asked for; sandboxes get {view.used_runtime}")
    known = sorted(map(str, view.info.get("Runtimes") or ()))
    return RUNTIME.holds(when=view.runtime in known, seen=f"the engine knows {', '.join(known) or 'none'}")


def _runc(view: EngineView) -> Outcome:
    text = view.component("runc") or str((view.info.get("RuncCommit") or {}).get("ID", ""))
    if view.used_runtime != "runc":
        return RUNC.not_applicable(f"sandboxes are started by {view.used_runtime}")
    version = versions.parse(text)
    if version is None:
        return RUNC.warning("the engine does not name its version")
    return _by_number(RUNC, text, versions.holes(versions.RUNC, version))


def _desktop(view: EngineView) -> Outcome:
    name = str((view.version.get("Platform") or {}).get("Name", ""))
    version = versions.parse(name)
    if "Docker Desktop" not in name or version is None:
        return DESKTOP.not_applicable("this is not Docker Desktop")
    return _by_number(DESKTOP, name, versions.holes(versions.DOCKER_DESKTOP, version))


def _toolkit(view: EngineView) -> Outcome:
    if view.gpu is None:
        return TOOLKIT.not_applicable("no GPU is passed through")
    version = versions.parse(view.toolkit)
    if version is None:
        return TOOLKIT.warning("a GPU is passed through, and the toolkit's command does not tell its version")
    cdi = view.gpu.method == "cdi"
    return _by_number(TOOLKIT, view.toolkit, versions.holes(versions.NVIDIA_TOOLKIT, version, cdi=cdi))


def _by_number(check: Check, version: str, holes: tuple[versions.Hole, ...]) -> Outcome:
    if not holes:
        return check.ok(version)
    return check.warning(f"{version}: by its number with {', '.join(hole.cve for hole in holes)}; {_BACKPORTS}")


def _warnings(view: EngineView) -> Outcome:
    said = [str(warning) for warning in view.info.get("Warnings") or ()]
    weighty = [text for text in said if not any(word in text.lower() for word in _IDLE_WARNINGS)]
    return WARNINGS.warning("; ".join(weighty)) if weighty else WARNINGS.ok("none that matters here")


def image_intact(tag: str | None, variant: str) -> Outcome:
    """Hold the image against its record, its tag and today's sources."""
    try:
        found = verify(tag or current_tag(variant), variant=variant)
    except ImageMissingError as error:
        return INTACT.failed(error.message, error.remedy)
    except UserError as error:
        # Somebody's own image: it may be as good, and there is nothing to hold it against.
        return INTACT.warning(f"{error.message}: there is nothing to compare it with")
    seen = "; ".join(f"{check.name}: {check.detail}" for check in found.checks)
    return INTACT.holds(when=found.intact, seen=f"{found.tag}, {seen}")


def image_configured(description: Mapping[str, Any]) -> Outcome:
    """Look at an image as the engine describes it."""
    config: Mapping[str, Any] = description.get("Config") or {}
    wrong = list(_wrong(config))
    if wrong:
        return CONFIGURED.failed("; ".join(wrong))
    labels = config.get("Labels") or {}
    shown = ", ".join(f"{name} {labels.get(f'{LABEL}.{name}', '?')}" for name in ("base", "python", "torch"))
    return CONFIGURED.ok(f"{labels.get(LABEL, '?')}: {shown}")


def _wrong(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("User") != USER:
        yield f"its user is {config.get('User') or 'root'}"
    for name in ("Volumes", "ExposedPorts", "OnBuild"):
        if config.get(name):
            yield f"it has {name}"
    names = {str(entry).partition("=")[0] for entry in config.get("Env") or ()}
    if names - _ENVIRONMENT:
        yield f"it sets {', '.join(sorted(names - _ENVIRONMENT))}"
    if not (config.get("Labels") or {}).get(LABEL):
        yield "it has no label of the harness's"
