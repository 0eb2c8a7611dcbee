"""GPU passthrough: which device is asked for, and how the request to the engine reads.

CDI (`nvidia.com/gpu=N`) comes first, because it does without the legacy hook in which most holes of
the NVIDIA toolkit were; `--gpus` is the fallback.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError, UserError
from harness.core.files import LINES, read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
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
        wanted = (self.index,) if indices is None else indices
        if self.method == "cdi":
            return {
                "Driver": "cdi",
                "Count": 0,
                "DeviceIDs": [f"nvidia.com/gpu={index}" for index in wanted],
                "Capabilities": None,
                "Options": None,
            }
        return {
            "Driver": "",
            "Count": 0,
            "DeviceIDs": [str(index) for index in wanted],
            "Capabilities": [["gpu"]],
            "Options": None,
        }


def host_gpus(root: Path = Path("/")) -> tuple[int, ...]:
    """Indices of the NVIDIA devices of this host, from its device files."""
    found = []
    for path in (root / "dev").glob("nvidia[0-9]*"):
        digits = path.name.removeprefix("nvidia")
        if digits.isdigit():
            found.append(int(digits))
    return tuple(sorted(found))


def engine_method(info: Mapping[str, Any], root: Path = Path("/")) -> str | None:
    """How this engine passes a GPU through: "cdi", "gpus", or not at all (None)."""
    discovered = info.get("DiscoveredDevices") or []
    if any(str(d.get("ID", "")).startswith("nvidia.com/gpu") for d in discovered):
        return "cdi"
    folders = info.get("CDISpecDirs") or ()
    if any(_names_nvidia(root / str(f).lstrip("/")) for f in folders if f in _CDI_FOLDERS or f):
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
