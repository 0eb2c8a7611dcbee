"""The disk that the engine reads images from: what a sandbox may read of it a second can be limited where it is known.

Known is the whole disk (no partition can be limited) beneath the folder of a rootful Docker on this very host. Not
known: the disk of an engine reached by network, of Docker Desktop's machine, of a file system that no single device
bears (btrfs, ZFS), and of a harness that itself runs in a container. Not asked for: rootless engines, whose cgroups
are rarely given the controller, and Podman, where nobody has tried it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

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
