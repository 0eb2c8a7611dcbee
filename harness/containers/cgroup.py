"""The control group that all containers of ours lie in, so that a busy host does not starve them.

An engine puts its containers together into one group (`docker`, `system.slice`), which gets as much of the processors
as a single process of the host's does. In a group of the harness's own they share with nobody else, and where we may
(as root, on the engine's own host) that group counts as much as four processes: enough that they get on beside busy
neighbours, and little enough that the harness, which has to watch them, gets on beside them. The group has no limit:
each container keeps its own, and whatever looks at a container sees what it saw before.

Not asked for, since nobody has tried it: rootless engines, Podman, Docker Desktop, engines elsewhere, and engines
without control groups. There containers lie where the engine puts them.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Another group's name, or "none"; for hosts that forbid groups of one's own.
VARIABLE = "HARNESS_CGROUP_PARENT"
NONE = "none"
#: Its name where the engine makes groups by itself, and where systemd does.
_NAMES = {"cgroupfs": "/harness", "systemd": "harness.slice"}
_FORMS = {
    "cgroupfs": re.compile(r"(/?[A-Za-z0-9_][A-Za-z0-9_.:@-]*)+"),
    "systemd": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]*\.slice"),
}
#: What it counts as much as: processes of the host's.
_PROCESSES = 4
#: What one process, or one other group, counts for; the files and systemd's property of cgroup v1 and v2.
_V1, _V2 = (1024, "cpu.shares"), (100, "cpu.weight")
#: How long systemd may take to take note of it, in seconds.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Group:
    """The group that containers are asked into: its name as the engine takes it, or None; and in words which, or why.

    `weighted` says that it counts for more than a process.
    """

    parent: str | None
    told: str
    weighted: bool = False


def group_of(
    url: str,
    info: Mapping[str, Any],
    *,
    podman: bool,
    env: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Group:
    """The group for the containers of an engine, by what it says of itself; the weight is given where we may.

    Raises UserError for a name in HARNESS_CGROUP_PARENT that this engine cannot take.
    """
    env = os.environ if env is None else env
    driver, wish = str(info.get("CgroupDriver") or ""), env.get(VARIABLE, "")
    if wish == NONE:
        return Group(None, f"{VARIABLE} says so")
    if wish:
        form = _FORMS.get(driver)
        if form is None or not form.fullmatch(wish) or ".." in wish:
            told = f"{VARIABLE} is {wish!r}, and the engine's groups are made by {driver or 'nobody'}"
            remedy = f"set it to none, or to a name such as {_NAMES.get(driver, NONE)}"
            raise UserError(told, remedy=remedy)
        return Group(wish, f"{wish}, by {VARIABLE}")
    if (why := _not_asked(url, info, podman=podman)) or driver not in _NAMES:
        return Group(None, why or "the engine has no control groups to choose from")
    parent = _NAMES[driver]
    share, name = _V2 if str(info.get("CgroupVersion")) == "2" else _V1
    top = root / "sys/fs/cgroup" / ("cpu" if name == _V1[1] else "")
    weighted = _weigh(top / parent.lstrip("/"), name, str(_PROCESSES * share), by_systemd=driver == "systemd")
    told = f"it counts as much as {_PROCESSES} processes" if weighted else "it counts as much as one process"
    return Group(parent, f"{parent}: {told}", weighted)


def _not_asked(url: str, info: Mapping[str, Any], *, podman: bool) -> str:
    """Why no group is asked for; empty where one is."""
    reasons = {
        "the engine is on another host": urlsplit(url).scheme not in {"unix", "http+unix"},
        "this is Podman": podman,
        "the engine is rootless": any("rootless" in str(one) for one in info.get("SecurityOptions") or ()),
        "Docker Desktop's engine is in a machine of its own": "Docker Desktop" in str(info.get("OperatingSystem", "")),
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _weigh(group: Path, name: str, weight: str, *, by_systemd: bool) -> bool:
    """Whether the group counts for as much as it is to: it does already, or is made to."""
    file = group / name
    if _reads(file, weight):
        return True
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if by_systemd:  # which would set aside what is written past it
            value = f"CPUWeight={_PROCESSES * _V2[0]}"
            command = ["systemctl", "set-property", "--runtime", group.name, value]
            subprocess.run(command, check=True, timeout=_PATIENCE, capture_output=True, stdin=subprocess.DEVNULL)
            return True
        group.mkdir(exist_ok=True)
        file.write_text(weight, "ascii")
    return _reads(file, weight)


def _reads(file: Path, weight: str) -> bool:
    try:
        return file.read_text("ascii").strip() == weight
    except (OSError, UnicodeDecodeError):
        return False
