"""Which base the image stands on: the pinned slim image, a Debian made here, or the user's own.

A base's identity goes into the tag, so it must name content: the registry's digest, the digest of our own
archive, or the engine's id of the user's image.

A Debian is for sites without a registry: a small one is unpacked with mmdebstrap or else debootstrap. The host's own
apt sources are used where the host runs the same release, so a local mirror is honoured; HARNESS_DEBIAN_MIRROR names
another one; else the tool's default applies. What was unpacked becomes an archive by an allow-list, with fixed times
and plain modes: the same packages give the same bytes, whichever tool unpacked them and whoever ran it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.containers.endpoint import find_engine
from harness.core.errors import InfrastructureError, UserError
from harness.images import Say, silent
from harness.images.engine import client, inspect
from harness.images.inputs import debian_recipe, slim_identity, slim_reference
from harness.images.records import BaseRecord, Records
from harness.images.refs import base_holds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.images.inputs import DebianRecipe


BASE_CHOICES = ("auto", "slim", "debian")
FIRST_ANSWER_SECONDS = 10
BASE_REPOSITORY = "harness-base"
MIRROR_VARIABLE = "HARNESS_DEBIAN_MIRROR"
UNPACK_SECONDS = 900
TOOL_REMEDY = (
    "install mmdebstrap (`apt-get install mmdebstrap`), or make a registry reachable for `--base slim`, "
    "or name a base with Python 3.11 of your own: `harness image build --base-image REF`"
)
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
#: Where the list of packages lies in what was unpacked; it is not on the list of what is kept.
_LISTED = "harness-packages"
#: dpkg is not run, so nothing else says later which packages they were. The list is empty where apt copies no package,
#: as from a mirror that is a folder.
_LIST = f'cd "$1/var/cache/apt/archives" && sha256sum -- *.deb > "$1/{_LISTED}" 2>/dev/null || true'
_STATUS = "var/lib/dpkg/status"
_NEEDED_FOLDERS = (("dev", 0o755), ("proc", 0o755), ("sys", 0o755), ("tmp", 0o1777))


@dataclass(frozen=True, slots=True)
class Base:
    """A base that the engine has: what it is, and how the build calls it."""

    identity: str
    reference: str


def resolve(
    choice: str,
    own: str | None,
    records: Records,
    *,
    variant: str = "cpu",
    refresh: bool = False,
    say: Say = silent,
) -> Base:
    """Return a base that the engine has, pulling or making it where needed.

    `own` names the user's image and wins. `refresh` makes the Debian base anew, with today's packages.
    """
    if own is not None:
        return own_base(own)
    if choice == "debian":
        return debian_base(records, refresh=refresh, say=say)
    if choice == "slim":
        if (base := slim_base(say)) is None:
            raise BaseBuildError(
                f"no registry gave {slim_reference()}",
                remedy="build on a base made here: `harness image build --base debian`",
            )
        return base
    if choice != "auto":
        raise UserError(f"there is no base {choice!r}", remedy=f"choose one of {', '.join(BASE_CHOICES)}")
    if not refresh and (known := known_base(records, variant)) is not None:
        return known
    return slim_base(say) or debian_base(records, refresh=refresh, say=say)


def known_base(records: Records, variant: str = "cpu") -> Base | None:
    """Return the base of the variant's last build, else one made or pulled before, if the engine has it."""
    latest = records.latest(variant)
    if latest is not None and base_holds(latest.base, records):
        image = inspect(latest.base_reference)
        own = latest.base.startswith("own@")  # known by its id, which a newer pull of the name changes
        if image is not None and (not own or latest.base == f"own@{image.digest}"):
            return Base(latest.base, latest.base_reference)
    made = records.base(debian_recipe().digest)
    if made is not None and inspect(made.reference) is not None:
        return Base(made.identity, made.reference)
    return _present_slim()


def own_base(reference: str) -> Base:
    """Return the user's own image as a base; it must be on the engine already."""
    image = inspect(reference)
    if image is None:
        raise UserError(f"the engine has no image {reference}", remedy="pull or load it first; its Python must be 3.11")
    return Base(f"own@{image.digest}", reference)


def slim_base(say: Say = silent) -> Base | None:
    """Return the pinned slim image, pulled where a registry answers soon enough; None where none does."""
    if (present := _present_slim()) is not None:
        return present
    import docker  # noqa: PLC0415 - slow to import
    import requests  # noqa: PLC0415

    say("asking the registry for the pinned base")
    reference = slim_reference()
    engine = client(seconds=FIRST_ANSWER_SECONDS)
    try:
        for _ in engine.pull(reference, stream=True, decode=True, platform="linux/amd64"):
            pass
    except (docker.errors.APIError, docker.errors.DockerException, requests.RequestException):
        return None
    finally:
        engine.close()
    return _present_slim()


def debian_base(records: Records, *, refresh: bool = False, say: Say = silent) -> Base:
    """Return the base made of Debian's packages, making and importing it where this engine lacks it."""
    recipe = debian_recipe()
    made = records.base(recipe.digest)
    if made is not None and not refresh and inspect(made.reference) is not None:
        return Base(made.identity, made.reference)
    with tempfile.TemporaryDirectory(prefix="harness-base-") as scratch:
        archive, packages = make_base(recipe, Path(scratch), say)
        say("importing the base into the engine")
        record = _import(archive, recipe, packages)
    records.remember_base(record)
    return Base(record.identity, record.reference)


def _import(archive: Path, recipe: DebianRecipe, packages: str) -> BaseRecord:
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    tag = f"{recipe.suite}-{digest[:12]}"
    reference = f"{BASE_REPOSITORY}:{tag}"
    if inspect(reference) is None:
        with contextlib.closing(client()) as engine:
            answer = engine.import_image_from_file(str(archive), repository=BASE_REPOSITORY, tag=tag)
            # Podman imports without the tag it was asked for; both engines end by naming the image's digest.
            engine.tag(json.loads(answer.strip().splitlines()[-1])["status"], BASE_REPOSITORY, tag)
    if inspect(reference) is None:
        raise BaseBuildError(f"the engine at {find_engine()} did not import the base")
    return BaseRecord(f"debian@sha256:{digest}", reference, recipe.digest, packages)


def _present_slim() -> Base | None:
    reference = slim_reference()
    return Base(slim_identity(), reference) if inspect(reference) is not None else None


class BaseBuildError(InfrastructureError):
    """The base of the image could not be made."""


def make_base(recipe: DebianRecipe, scratch: Path, say: Say = silent) -> tuple[Path, str]:
    """Return the base's archive, written below `scratch`, and the list of the packages in it.

    BaseBuildError says what stopped it.
    """
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
    return base, packages_in(unpacked)


def mmdebstrap_command(recipe: DebianRecipe, target: Path, sources: str, scratch: Path) -> list[str]:
    """Return the command; `extract` runs no maintainer script, so nothing of Debian runs on the host."""
    command = ["mmdebstrap", "--variant=extract", f"--include={','.join(recipe.packages)}", f"--extract-hook={_LIST}"]
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


def write_base(source: Path, target: Path, epoch: int) -> None:
    """Write the base's archive to `target` from an unpacked system's archive; times capped at `epoch`."""
    with (
        tarfile.open(source, encoding="utf-8") as unpacked,
        tarfile.open(target, "w", format=tarfile.GNU_FORMAT, encoding="utf-8") as base,
    ):
        for name, mode in _NEEDED_FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, mode, epoch
            base.addfile(folder)
        chosen = {_plain(member.name): member for member in unpacked if _wanted(member)}
        # Links to a file that is not there yet cannot be unpacked, so they come last.
        for name in sorted(chosen, key=lambda name: (chosen[name].islnk(), PurePosixPath(name))):
            member = chosen[name]
            base.addfile(_normal(member, name, epoch), unpacked.extractfile(member) if member.isreg() else None)


def packages_in(unpacked: Path) -> str:
    """Return the packages of an unpacked system, a line each, as `sha256sum` lists their files.

    Where only dpkg's own account is there, dashes stand for the digests. Empty where nothing says it.
    """
    with tarfile.open(unpacked) as system:
        found = {_plain(member.name): member for member in system if _plain(member.name) in {_LISTED, _STATUS}}
        texts = {name: file.read().decode() for name, member in found.items() if (file := system.extractfile(member))}
    if listed := texts.get(_LISTED, "").strip():
        return "".join(f"{line}\n" for line in sorted(listed.splitlines(), key=lambda line: line.split()[-1]))
    installed = [_fields(stanza) for stanza in texts.get(_STATUS, "").split("\n\n") if stanza.strip()]
    names = [f"{one['Package']}_{one['Version'].replace(':', '%3a')}_{one['Architecture']}.deb" for one in installed]
    return "".join(f"-  {name}\n" for name in sorted(names))


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
