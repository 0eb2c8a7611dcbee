"""Turn a freshly unpacked Debian into the archive of a base: an allow-list, fixed times, plain modes.

The same packages give the same bytes, whichever tool unpacked them and whoever ran it.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = re.compile(
    r"bin|sbin|lib|lib64|usr"  # links to /usr where the release merged them
    r"|(usr/)?lib(64)?/.*"
    r"|usr/bin|usr/bin/python3[^/]*|usr/lib(64)?"
    r"|etc|etc/ld\.so\.(conf|cache)|etc/ld\.so\.conf\.d(/.*)?|etc/python3[^/]*(/.*)?"
)
_LEFT_OUT = re.compile(
    r"(usr/)?lib/(systemd|udev|init|apt|dpkg|lsb|gcc|mime|terminfo|tmpfiles\.d|sysusers\.d|pcrlock\.d)(/.*)?"
    r"|(usr/)?lib/x86_64-linux-gnu/(perl|perl-base|gconv|security|e2fsprogs)(/.*)?"
    r"|.*\.pyc|.*/__pycache__"
)
_NEEDED_FOLDERS = (("dev", 0o755), ("proc", 0o755), ("sys", 0o755), ("tmp", 0o1777))


def write_base(source: Path, target: Path, epoch: int) -> None:
    """Write the base's archive to `target` from an unpacked system's archive; times capped at `epoch`."""
    with tarfile.open(source) as unpacked, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as base:
        for name, mode in _NEEDED_FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, mode, epoch
            base.addfile(folder)
        chosen = {_plain(member.name): member for member in unpacked if _wanted(member)}
        # Links to a file that is not there yet cannot be unpacked, so they come last.
        for name in sorted(chosen, key=lambda name: (chosen[name].islnk(), PurePosixPath(name))):
            member = chosen[name]
            base.addfile(_normal(member, name, epoch), unpacked.extractfile(member) if member.isreg() else None)


def _plain(name: str) -> str:
    return name.removeprefix("./").strip("/")


def _wanted(member: tarfile.TarInfo) -> bool:
    """Keep files, folders and links on the list; no device nodes, which a rootless engine cannot make."""
    name = _plain(member.name)
    kind = member.isreg() or member.isdir() or member.issym() or member.islnk()
    return kind and bool(_KEPT.fullmatch(name)) and not _LEFT_OUT.fullmatch(name)


def _normal(member: tarfile.TarInfo, name: str, epoch: int) -> tarfile.TarInfo:
    """Return the member as root's, without setuid bits, extended attributes or today's date."""
    normal = tarfile.TarInfo(name)
    normal.type, normal.size = member.type, member.size
    normal.mode = member.mode & 0o755
    normal.mtime = min(int(member.mtime), epoch)
    normal.linkname = _plain(member.linkname) if member.islnk() else member.linkname
    return normal
