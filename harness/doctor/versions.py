"""Versions of runtimes, and the known holes in them.

A version alone proves nothing: distributions mend old versions without a new number. So what is found here
is a warning, and says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(?<![0-9.])(\d+)\.(\d+)(?:\.(\d+))?(?:[-~]rc\.?(\d+))?")
_FINAL = 1 << 30

Version = tuple[int, int, int, int]


def parse(text: str) -> Version | None:
    """The first version in a text: major, minor, patch and release candidate, which comes before the release."""
    found = _VERSION.search(text)
    if found is None:
        return None
    major, minor, patch, candidate = found.groups()
    return int(major), int(minor), int(patch or 0), int(candidate) if candidate else _FINAL


@dataclass(frozen=True)
class Hole:
    """A way out of a container that one version mended, or one version of each line."""

    cve: str
    mended: tuple[str, ...]
    #: Whether it is also there where the GPU comes by CDI.
    with_cdi: bool = True

    def is_in(self, version: Version) -> bool:
        """Whether a version by its number has the hole."""
        fixes = sorted(fix for fix in map(parse, self.mended) if fix is not None)
        of_its_line = [fix for fix in fixes if fix[:2] == version[:2]]
        return version < (of_its_line or fixes)[-1]


#: From the advisories of opencontainers/runc: GHSA-xr7r-f8xq-vfvv, -9493-h29p-rfm2, -qw9x-cqr3-wc7r, -cgrx-mc8f-2prm.
RUNC = (
    Hole("CVE-2024-21626", ("1.1.12",)),
    Hole("CVE-2025-31133", ("1.2.8", "1.3.3", "1.4.0-rc.3")),
    Hole("CVE-2025-52565", ("1.2.8", "1.3.3", "1.4.0-rc.3")),
    Hole("CVE-2025-52881", ("1.2.8", "1.3.3", "1.4.0-rc.3")),
)
#: From NVIDIA's security bulletins and the CVE records; the first one's record excepts CDI.
NVIDIA_TOOLKIT = (
    Hole("CVE-2024-0132", ("1.16.2",), with_cdi=False),
    Hole("CVE-2025-23359", ("1.17.4",)),
    Hole("CVE-2025-23266", ("1.17.8",)),
    Hole("CVE-2026-24260", ("1.19.1",)),
)
#: From Docker's security announcements: a container reaches the engine's API over the network.
DOCKER_DESKTOP = (Hole("CVE-2025-9074", ("4.44.3",)),)


def holes(known: tuple[Hole, ...], version: Version, *, cdi: bool = False) -> tuple[Hole, ...]:
    """Those of the known holes that a version has by its number."""
    return tuple(hole for hole in known if hole.is_in(version) and (hole.with_cdi or not cdi))
