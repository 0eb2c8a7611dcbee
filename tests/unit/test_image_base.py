"""The base: which sources it is made from, what stays in its archive, and which one is chosen."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from image_doubles import EngineDouble

from harness.core.errors import UserError
from harness.images import base
from harness.images import base as bases
from harness.images.base import (
    BaseBuildError,
    debootstrap_command,
    host_sources,
    make_base,
    mmdebstrap_command,
    packages_in,
    write_base,
)
from harness.images.inputs import DebianRecipe, debian_recipe, slim_reference
from harness.images.records import BaseRecord, BuildRecord, Records

if TYPE_CHECKING:
    from collections.abc import Iterator

RECIPE = DebianRecipe("bookworm", ("python3-minimal", "libstdc++6"), 1000)
OWN = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
"""
VENDOR = "Types: deb\nURIs: http://vendor.example\nSuites: nodistro\nComponents: main\n"


def host(etc: Path, identity: str = "debian", codename: str = "bookworm") -> Path:
    (etc / "apt" / "sources.list.d").mkdir(parents=True)
    (etc / "os-release").write_text(f'ID={identity}\nVERSION_CODENAME="{codename}"\n')
    return etc


def test_the_hosts_own_mirror_is_used_without_its_vendors(tmp_path: Path) -> None:
    etc = host(tmp_path)
    (etc / "apt" / "sources.list.d" / "debian.sources").write_text(OWN)
    (etc / "apt" / "sources.list.d" / "vendor.sources").write_text(VENDOR)
    sources = host_sources("bookworm", etc)
    assert "mirror.example/debian" in sources
    assert "mirror.example/security" in sources
    assert "vendor" not in sources
    assert "#" not in sources


def test_a_one_line_sources_list_is_used(tmp_path: Path) -> None:
    etc = host(tmp_path)
    (etc / "apt" / "sources.list").write_text(
        "deb http://mirror.example/debian bookworm main\n# deb http://old bookworm main\ndeb http://v stable main\n"
    )
    assert host_sources("bookworm", etc) == "deb http://mirror.example/debian bookworm main\n"


@pytest.mark.parametrize(("identity", "codename"), [("ubuntu", "jammy"), ("debian", "trixie")])
def test_another_systems_sources_are_not_used(tmp_path: Path, identity: str, codename: str) -> None:
    etc = host(tmp_path, identity, codename)
    (etc / "apt" / "sources.list.d" / "debian.sources").write_text(OWN)
    assert host_sources("bookworm", etc) == ""


def test_the_commands_extract_only_and_obey_a_named_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(base.MIRROR_VARIABLE, raising=False)
    command = mmdebstrap_command(RECIPE, tmp_path / "t.tar", OWN, tmp_path)
    assert "--variant=extract" in command
    assert "--include=python3-minimal,libstdc++6" in command
    assert Path(command[-1]).read_text() == OWN
    assert debootstrap_command(RECIPE, tmp_path)[-2:] == ["bookworm", str(tmp_path)]
    monkeypatch.setenv(base.MIRROR_VARIABLE, "http://named.example")
    assert mmdebstrap_command(RECIPE, tmp_path, OWN, tmp_path)[-1] == "http://named.example"
    assert debootstrap_command(RECIPE, tmp_path)[-1] == "http://named.example"


def test_without_a_tool_the_remedies_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BaseBuildError) as caught:
        make_base(RECIPE, tmp_path)
    assert "apt-get install mmdebstrap" in caught.value.remedy
    assert "--base-image" in caught.value.remedy


def test_a_failing_tool_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "mmdebstrap"
    tool.write_text("#!/bin/sh\necho 'E: mirror is down' >&2\nexit 25\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BaseBuildError, match="mirror is down"):
        make_base(RECIPE, tmp_path)


def unpacked(path: Path, mtime: int = 2000) -> Path:
    entries = {
        "./usr/bin/python3.11": 0o755,
        "./usr/bin/perl": 0o755,
        "./usr/bin/passwd": 0o4755,
        "./usr/lib/python3.11/os.py": 0o644,
        "./usr/lib/python3.11/__pycache__/os.cpython-311.pyc": 0o644,
        "./usr/lib/x86_64-linux-gnu/libz.so.1": 0o4755,
        "./usr/lib/x86_64-linux-gnu/perl-base/x.pm": 0o644,
        "./var/lib/dpkg/status": 0o644,
        "./etc/machine-id": 0o644,
        "./usr/share/doc/x/copyright": 0o644,
    }
    with tarfile.open(path, "w") as archive:
        for name, mode in entries.items():
            member = tarfile.TarInfo(name)
            member.mode, member.size, member.mtime, member.uid = mode, 4, mtime, 1000
            archive.addfile(member, io.BytesIO(b"data"))
        for name, kind, link in (
            ("./usr/bin/python3", tarfile.SYMTYPE, "python3.11"),
            ("./usr/lib/a-link", tarfile.LNKTYPE, "./usr/lib/python3.11/os.py"),
            ("./dev/null", tarfile.CHRTYPE, ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            archive.addfile(member)
    return path


def test_the_base_keeps_python_and_libraries_alone(tmp_path: Path) -> None:
    write_base(unpacked(tmp_path / "in.tar"), tmp_path / "out.tar", epoch=1000)
    with tarfile.open(tmp_path / "out.tar") as archive:
        members = {member.name: member for member in archive}
        linked = archive.extractfile("usr/lib/a-link")
        assert linked is not None
        assert linked.read() == b"data"
    assert {name for name, member in members.items() if not member.isdir()} == {
        "usr/bin/python3",
        "usr/bin/python3.11",
        "usr/lib/a-link",
        "usr/lib/python3.11/os.py",
        "usr/lib/x86_64-linux-gnu/libz.so.1",
    }
    assert all(not member.mode & 0o6000 and member.uid == 0 for member in members.values())
    assert all(member.mtime <= 1000 for member in members.values())


def test_equal_content_gives_equal_bytes_whenever_it_was_unpacked(tmp_path: Path) -> None:
    write_base(unpacked(tmp_path / "a.tar", mtime=2000), tmp_path / "a.out", epoch=1000)
    write_base(unpacked(tmp_path / "b.tar", mtime=9000), tmp_path / "b.out", epoch=1000)
    assert (tmp_path / "a.out").read_bytes() == (tmp_path / "b.out").read_bytes()


DEBS = {
    "harness-packages": f"{'b' * 64}  zlib1g_1%3a1.2_amd64.deb\n{'a' * 64}  libc6_2.36-9_amd64.deb\n",
    "var/lib/dpkg/status": "Package: zlib1g\nVersion: 1:1.2\nArchitecture: amd64\n\n"
    "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\nDescription: a\n library\n",
}


@pytest.mark.parametrize(
    ("there", "digests"),
    [
        (DEBS, ("a" * 64, "b" * 64)),
        ({"var/lib/dpkg/status": DEBS["var/lib/dpkg/status"]}, ("-", "-")),
        ({"harness-packages": "", "var/lib/dpkg/status": ""}, ()),
        ({}, ()),
    ],
    ids=["listed by the hook", "by dpkg alone", "nothing in them", "neither"],
)
def test_the_packages_of_a_base_are_known(there: dict[str, str], digests: tuple[str, ...], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        for name, text in there.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    names = ("libc6_2.36-9_amd64.deb", "zlib1g_1%3a1.2_amd64.deb")[: len(digests)]
    expected = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    assert packages_in(tmp_path / "in.tar") == expected
    write_base(tmp_path / "in.tar", tmp_path / "out.tar", epoch=1)
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert "harness-packages" not in archive.getnames()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDouble]:
    double = EngineDouble()
    with double.listening(tmp_path / "e.sock") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        yield double


def test_a_base_made_before_is_used_again(engine: EngineDouble, tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.remember_base(BaseRecord("debian@sha256:11", "harness-base:x", debian_recipe().digest))
    engine.add("harness-base:x", "sha256:11", {})
    assert bases.resolve("auto", None, records).identity == "debian@sha256:11"
    assert bases.resolve("debian", None, records).reference == "harness-base:x"


def test_auto_goes_on_with_the_users_own_base(engine: EngineDouble, tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.remember_base(BaseRecord("debian@sha256:11", "harness-base:x", debian_recipe().digest))
    records.remember(BuildRecord("t", "sha256:1", "cpu", "i", "own@sha256:44", "mine:1"))
    engine.add("harness-base:x", "sha256:11", {})
    engine.add("mine:1", "sha256:44", {})
    assert bases.resolve("auto", None, records).reference == "mine:1"
    assert bases.resolve("auto", None, records, variant="cuda").reference == "harness-base:x"
    engine.add("mine:1", "sha256:55", {})
    assert bases.resolve("auto", None, records).reference == "harness-base:x"


def test_a_slim_base_that_is_there_is_not_pulled_again(engine: EngineDouble, tmp_path: Path) -> None:
    engine.add(slim_reference(), "sha256:22", {})
    assert bases.resolve("slim", None, Records(tmp_path)).identity.startswith("slim@sha256:")


@pytest.mark.usefixtures("engine")
def test_auto_makes_a_debian_where_no_registry_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bases.Base("debian@sha256:33", "harness-base:y")
    monkeypatch.setattr(bases, "slim_base", lambda _say: None)
    monkeypatch.setattr(bases, "debian_base", lambda *_, **__: made)
    assert bases.resolve("auto", None, Records(tmp_path)) == made


@pytest.mark.usefixtures("engine")
def test_slim_without_a_registry_names_the_other_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "slim_base", lambda _say: None)
    with pytest.raises(BaseBuildError) as caught:
        bases.resolve("slim", None, Records(tmp_path))
    assert "--base debian" in caught.value.remedy


def test_the_users_own_base_is_known_by_its_id(engine: EngineDouble, tmp_path: Path) -> None:
    engine.add("mine:1", "sha256:44", {})
    assert bases.resolve("auto", "mine:1", Records(tmp_path)).identity == "own@sha256:44"
    with pytest.raises(UserError, match="other:1"):
        bases.resolve("auto", "other:1", Records(tmp_path))
    with pytest.raises(UserError, match="alpine"):
        bases.resolve("alpine", None, Records(tmp_path))
