"""The host's devices as the engine is asked for them: which GPU a container gets, and which disk it may read how fast.

CDI (`nvidia.com/gpu=N`) comes first, because it does without the legacy hook in which most holes of
the NVIDIA toolkit were; `--gpus` is the fallback.

What a sandbox may read a second of the disk that the engine reads images from can be limited where that disk is known:
the whole disk (no partition can be limited) beneath the folder of a rootful Docker on this very host. Not known: the
disk of an engine reached by network, of Docker Desktop's machine, of a file system that no single device bears (btrfs,
ZFS), and of a harness that itself runs in a container. Not asked for: rootless engines, whose cgroups are rarely given
the controller, and Podman, where nobody has tried it.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import LINES, read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What CUDA work needs of the driver, and nothing else.
GPU_ENVIRONMENT = {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}


@dataclass(frozen=True)
class GpuChoice:
    """The GPU that a sandbox gets: its index, and "cdi" or "gpus" for how it is asked for.

    `others` are those that a trainer of several ranks gets beside it.
    """

    index: int
    method: str
    others: tuple[int, ...] = ()

    @property
    def whole(self) -> tuple[int, ...]:
        """All of them."""
        return (self.index, *self.others)

    def device_request(self, indices: tuple[int, ...] | None = None) -> dict[str, Any]:
        """The entry of HostConfig.DeviceRequests, as the engine's API spells it: for the first one, or for some."""
        cdi = self.method == "cdi"
        wanted = (self.index,) if indices is None else indices
        return {
            "Driver": "cdi" if cdi else "",
            "Count": 0,
            "DeviceIDs": [f"nvidia.com/gpu={index}" if cdi else str(index) for index in wanted],
            "Capabilities": None if cdi else [["gpu"]],
            "Options": None,
        }


def host_gpus(root: Path = Path("/")) -> tuple[int, ...]:
    """Indices of the NVIDIA devices of this host, from its device files."""
    names = (path.name.removeprefix("nvidia") for path in (root / "dev").glob("nvidia[0-9]*"))
    return tuple(sorted(int(digits) for digits in names if digits.isdigit()))


def engine_method(info: Mapping[str, Any], root: Path = Path("/")) -> str | None:
    """How this engine passes a GPU through: "cdi", "gpus", or not at all (None)."""
    discovered = info.get("DiscoveredDevices") or []
    if any(str(d.get("ID", "")).startswith("nvidia.com/gpu") for d in discovered):
        return "cdi"
    if any(_names_nvidia(root / str(f).lstrip("/")) for f in info.get("CDISpecDirs") or () if f):
        return "cdi"
    return "gpus" if "nvidia" in (info.get("Runtimes") or {}) else None


def _names_nvidia(folder: Path) -> bool:
    try:
        return any(b"nvidia.com/gpu" in read_bytes(p, LINES, links=True) for p in folder.iterdir() if p.is_file())
    except OSError:
        return False


def is_numbers(wish: str) -> bool:
    """Whether a wish names GPUs by their numbers."""
    return re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", wish) is not None


def choose(wish: str, info: Mapping[str, Any], root: Path = Path("/")) -> GpuChoice | None:
    """Turn `--gpu auto|none|N[,N...]` into a choice; None means CPU only.

    Raises UserError for an unknown wish or device, InfrastructureError where a GPU was asked for by
    number and the engine cannot pass it through.
    """
    if wish == "none":
        return None
    if wish != "auto" and not is_numbers(wish):
        raise UserError(f"--gpu takes auto, none or a number (or several, with commas between), not {wish!r}")
    devices, method = host_gpus(root), engine_method(info, root)
    if wish == "auto":
        return GpuChoice(devices[0], method) if devices and method else None
    first, *others = dict.fromkeys(int(number) for number in wish.split(","))
    if missing := [index for index in (first, *others) if index not in devices]:
        have = ", ".join(map(str, devices)) or "none"
        raise UserError(f"this host has no GPU {missing[0]} (it has: {have})", remedy="use --gpu auto or none")
    if method is None:
        raise InfrastructureError(
            "the container engine cannot pass a GPU through",
            remedy="install the NVIDIA Container Toolkit, generate its CDI specification, restart the engine",
        )
    return GpuChoice(first, method, tuple(others))


_CONTAINERD = Path("/var/lib/containerd")


def disk_of(url: str, info: Mapping[str, Any], *, podman: bool, root: Path = Path("/")) -> tuple[str | None, str]:
    """The device's path, or None; and in words which it is, or why there is none."""
    options = [str(option) for option in info.get("SecurityOptions") or ()]
    if urlsplit(url).scheme not in {"unix", "http+unix"}:
        return None, "the engine is on another host"
    if podman:
        return None, "this is Podman"
    if any("rootless" in option for option in options):
        return None, "the engine is rootless"
    if "Docker Desktop" in str(info.get("OperatingSystem", "")):
        return None, "Docker Desktop's engine is in a machine of its own"
    folder = Path(str(info.get("DockerRootDir") or "/nowhere"))
    if any("containerd.snapshotter" in str(entry) for entry in info.get("DriverStatus") or ()):
        folder = _CONTAINERD
    return _device(folder, root)


def _device(folder: Path, root: Path) -> tuple[str | None, str]:
    """The disk that a folder is on, by the kernel's tree of devices."""
    try:
        number = (root / folder.relative_to("/")).stat().st_dev
    except (OSError, ValueError):
        return None, f"{folder} is not to be seen from here"
    place = root / "sys/dev/block" / f"{os.major(number)}:{os.minor(number)}"
    if not place.exists():
        return None, f"no single device bears {folder}"
    place = place.resolve()
    if (place / "partition").exists():
        place = place.parent
    path = root / "dev" / place.name.replace("!", "/")
    try:
        about = path.stat()
        told = (place / "dev").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None, f"{path} is not to be seen from here"
    if not stat.S_ISBLK(about.st_mode) or told != f"{os.major(about.st_rdev)}:{os.minor(about.st_rdev)}":
        return None, f"{path} is another device here"
    return str(path), str(path)
