"""Unpack a small Debian on this machine, with mmdebstrap or else debootstrap, and archive it as a base.

For sites without a registry. The host's own apt sources are used where the host runs the same release, so a
local mirror is honoured; HARNESS_DEBIAN_MIRROR names another one; else the tool's default applies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import InfrastructureError
from harness.images.progress import Say, silent
from harness.images.rootfs import write_base

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.images.inputs import DebianRecipe

MIRROR_VARIABLE = "HARNESS_DEBIAN_MIRROR"
UNPACK_SECONDS = 900
TOOL_REMEDY = (
    "install mmdebstrap (`apt-get install mmdebstrap`), or make a registry reachable for `--base slim`, "
    "or name a base with Python 3.11 of your own: `harness image build --base-image REF`"
)


class BaseBuildError(InfrastructureError):
    """The base of the image could not be made."""


def make_base(recipe: DebianRecipe, scratch: Path, say: Say = silent) -> Path:
    """Return the base's archive, written below `scratch`; BaseBuildError says what stopped it."""
    unpacked = scratch / "unpacked.tar"
    sources = host_sources(recipe.suite)
    if shutil.which("mmdebstrap"):
        say("unpacking Debian packages for the base (mmdebstrap)")
        _run(mmdebstrap_command(recipe, unpacked, sources, scratch), recipe)
    elif shutil.which("debootstrap"):
        say("unpacking Debian packages for the base (debootstrap)")
        _run(debootstrap_command(recipe, scratch / "root"), recipe)
        with tarfile.open(unpacked, "w") as archive:
            archive.add(scratch / "root", arcname=".")
    else:
        raise BaseBuildError("there is neither mmdebstrap nor debootstrap here", remedy=TOOL_REMEDY)
    base = scratch / "base.tar"
    write_base(unpacked, base, recipe.epoch)
    return base


def mmdebstrap_command(recipe: DebianRecipe, target: Path, sources: str, scratch: Path) -> list[str]:
    """Return the command; `extract` runs no maintainer script, so nothing of Debian runs on the host."""
    command = ["mmdebstrap", "--variant=extract", f"--include={','.join(recipe.packages)}"]
    command += ["--architectures=amd64", "--format=tar", recipe.suite, str(target)]
    if mirror := os.environ.get(MIRROR_VARIABLE):
        return [*command, mirror]
    if sources:
        listed = scratch / "base.sources"
        listed.write_text(sources, encoding="utf-8")
        command.append(str(listed))
    return command


def debootstrap_command(recipe: DebianRecipe, target: Path) -> list[str]:
    """Return the fallback's command; it needs root, and one mirror is all that it takes."""
    command = ["debootstrap", "--variant=minbase", "--arch=amd64", f"--include={','.join(recipe.packages)}"]
    command += [recipe.suite, str(target)]
    return [*command, mirror] if (mirror := os.environ.get(MIRROR_VARIABLE)) else command


def host_sources(suite: str, etc: Path = Path("/etc")) -> str:
    """Return the host's apt sources for that release of Debian, empty where it runs another system.

    Only entries of the release itself are taken: what a vendor added for its own package does not belong
    into a base.
    """
    release = _os_release(etc)
    if release.get("ID") != "debian" or release.get("VERSION_CODENAME") != suite:
        return ""
    suites = {suite, f"{suite}-updates", f"{suite}-security"}
    stanzas: list[str] = []
    lines: list[str] = []
    for path in sorted((etc / "apt" / "sources.list.d").glob("*.sources")):
        for stanza in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            fields = _fields(stanza)
            if fields.get("Enabled", "yes") != "no" and set(fields.get("Suites", "-").split()) <= suites:
                stanzas.append("\n".join(line for line in stanza.splitlines() if not line.startswith("#")))
    for path in [etc / "apt" / "sources.list", *sorted((etc / "apt" / "sources.list.d").glob("*.list"))]:
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                words = line.split()
                if words[:1] == ["deb"] and suites & set(words):
                    lines.append(line)
    # One file holds one of the two formats; the newer one wins where a host has both.
    return "\n\n".join(stanzas) + "\n" if stanzas else "".join(f"{line}\n" for line in lines)


def _fields(stanza: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in stanza.splitlines() if line and line[0] not in "# \t")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _os_release(etc: Path) -> Mapping[str, str]:
    try:
        text = (etc / "os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in text.splitlines())}


def _run(command: Sequence[str], recipe: DebianRecipe) -> None:
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(recipe.epoch), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=UNPACK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise BaseBuildError(
            f"{command[0]} did not end within {UNPACK_SECONDS} s",
            remedy="see whether the Debian mirror answers",
        ) from problem
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise BaseBuildError(f"{command[0]} failed with status {done.returncode}:\n{tail}", remedy=TOOL_REMEDY)
