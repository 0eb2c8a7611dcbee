"""Read a requirements lock: every line pins one version and the digests of the files that may carry it.

A lock is the same format that `pip install --require-hashes` reads, restricted to exact pins; anything
else in it (an index, a path, a loose version) is refused, because a lock decides what gets into an image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.core.errors import InfrastructureError

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.+!_-]+)")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


class LockError(InfrastructureError):
    """A lock file cannot be used."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One pinned package and the SHA-256 digests (hex) of the files that may carry it."""

    name: str
    version: str
    digests: frozenset[str]


def parse(text: str, source: str = "the lock") -> tuple[Locked, ...]:
    """Return the pins of a lock in their order; LockError names the line that is not one."""
    pins: list[Locked] = []
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        pin = _PIN.fullmatch(words[0])
        hashes = [_HASH.fullmatch(word) for word in words[1:]]
        if pin is None or not hashes or None in hashes:
            raise LockError(
                f"{source}: {line.strip()[:80]!r} is not NAME==VERSION with sha256 digests",
                remedy="regenerate the lock with `make lock`",
            )
        digests = frozenset(found["digest"] for found in hashes if found is not None)
        pins.append(Locked(pin["name"], pin["version"], digests))
    if not pins:
        raise LockError(f"{source} pins nothing", remedy="regenerate the lock with `make lock`")
    return tuple(pins)


def render(pins: tuple[Locked, ...], header: str) -> str:
    """Write a lock: the header as comments, then the pins by name, each with its digests sorted."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    for pin in sorted(pins, key=lambda pin: pin.name.lower()):
        digests = [f"    --hash=sha256:{digest}" for digest in sorted(pin.digests)]
        lines.append(" \\\n".join([f"{pin.name}=={pin.version}", *digests]))
    return "\n".join(lines) + "\n"
