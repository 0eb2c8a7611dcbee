"""What an image holds is read as an engine would unpack it, and the first difference has a name."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import ExitStack
from dataclasses import replace

import pytest
from image_doubles import Put, saved, tar_of

from harness.core.errors import UserError
from harness.images.files import (
    Entry,
    ImageArchiveError,
    Manifest,
    differing_settings,
    first_difference,
    parse,
    read_image,
    render,
)

FOLDER = Entry("/opt", "folder", 0o755)
FILE = Entry("/opt/a.py", "file", 0o644, size=3, sha256="a" * 64)
LINK = Entry("/opt/b", "link", 0o777, target="a.py")
LAST = Entry("/opt/z.py", "file", 0o644, size=1, sha256="b" * 64)
ALL = (FOLDER, FILE, LINK, LAST)


def paths(*layers: bytes) -> dict[str, Entry]:
    with ExitStack() as opened:
        _, tree = read_image(io.BytesIO(saved(*layers)), opened)
        return {path: held.entry for path, held in tree.items()}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((FOLDER, replace(FILE, sha256="c" * 64), LINK, LAST), "/opt/a.py: content (SHA-256) is cccc"),
        ((FOLDER, replace(FILE, size=4), LINK, LAST), "/opt/a.py: content (size) is 4 instead of 3"),
        ((FOLDER, replace(FILE, mode=0o4755), LINK, LAST), "/opt/a.py: mode is 4755 instead of 0644"),
        ((FOLDER, replace(FILE, uid=7), LINK, LAST), "/opt/a.py: owner is 7 instead of none"),
        ((FOLDER, replace(FILE, gid=7), LINK, LAST), "/opt/a.py: group is 7"),
        ((FOLDER, replace(FILE, mtime=7), LINK, LAST), "/opt/a.py: time is 7"),
        ((FOLDER, replace(FILE, attributes="d" * 64), LINK, LAST), "/opt/a.py: extended attributes is dddd"),
        ((FOLDER, FILE, replace(LINK, target="z.py"), LAST), "/opt/b: link target is z.py instead of a.py"),
        ((FOLDER, FILE, replace(FILE, path="/opt/b"), LAST), "/opt/b: kind is file instead of link"),
        ((FOLDER, LINK, LAST), "/opt/a.py: missing"),
        ((*ALL, Entry("/opt/a.py.bak", "file", 0o644)), "/opt/a.py.bak: added (file)"),
        ((FOLDER, FILE, LINK), "/opt/z.py: missing"),
    ],
)
def test_each_kind_of_difference_is_named(changed: tuple[Entry, ...], said: str) -> None:
    found = first_difference(ALL, changed)
    assert found is not None
    assert str(found).startswith(said)
    assert found.count == 1


def test_the_first_of_several_is_named_whatever_the_order_of_the_lists() -> None:
    other = (Entry("/zzz", "file", 0o644), replace(LAST, mode=0), replace(FILE, mode=0), LINK, FOLDER)
    found = first_difference(ALL, other)
    assert found is not None
    assert (found.path, found.count) == ("/opt/a.py", 3)
    assert "3 differ in all" in str(found)
    assert first_difference(ALL, tuple(reversed(ALL))) is None


def test_a_time_is_named_where_nothing_else_differs() -> None:
    later = replace(FOLDER, mtime=7)
    found = first_difference(ALL, (later, FILE, LINK, replace(LAST, sha256="c" * 64)))
    assert found is not None
    assert (found.path, found.count) == ("/opt/z.py", 2)
    assert str(first_difference(ALL, (later, FILE, LINK, LAST))) == "/opt: time is 7 instead of none"


def test_a_layer_removes_and_replaces_what_lies_below() -> None:
    lower = tar_of(
        Put("keep", b"1"),
        Put("gone", b"1"),
        Put("old/inner/x", b"1"),
        Put("was/folder", b"1"),
        Put("cleared", kind=tarfile.DIRTYPE, mode=0o755),
        Put("cleared/x", b"1"),
    )
    upper = tar_of(
        Put("keep", b"2"),
        Put(".wh.gone"),
        Put(".wh.old"),
        Put("was", b"a file now"),
        Put("cleared", kind=tarfile.DIRTYPE, mode=0o700),
        Put("cleared/y", b"1"),
        Put("cleared/.wh..wh..opq"),
    )
    found = paths(lower, upper)
    assert set(found) == {"/keep", "/was", "/cleared", "/cleared/y"}
    assert found["/keep"].sha256 == paths(tar_of(Put("keep", b"2")))["/keep"].sha256
    assert found["/cleared"].mode == 0o700


def test_owners_bits_and_attributes_are_seen_as_they_are() -> None:
    found = paths(
        tar_of(
            Put("a", b"1", mode=0o4755, uid=5, mtime=9, xattrs=(("security.capability", "x"),)),
            Put("b", kind=tarfile.CHRTYPE),
            Put("c", b"1"),
            Put("d", kind=tarfile.LNKTYPE, link="c"),
        )
    )
    assert (found["/a"].mode, found["/a"].uid, found["/a"].mtime) == (0o4755, 5, 9)
    assert found["/a"].attributes
    assert found["/b"].kind == "device"
    assert found["/d"] == replace(found["/c"], path="/d")


def test_a_layer_that_an_engine_compressed_is_read() -> None:
    layer = tar_of(Put("a", b"1"))
    assert paths(gzip.compress(layer)) == paths(layer)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no archive at all",
        tar_of(Put("manifest.json", b"[]")),
        tar_of(Put("manifest.json", b'[{"Config": "absent", "Layers": []}]')),
        saved(b"no layer"),
        saved(tar_of(Put("a", kind=tarfile.LNKTYPE, link="absent"))),
        saved(tar_of(Put("a", b"1" * 5000)))[:3000],
    ],
)
def test_an_archive_that_is_none_is_the_engines_fault(data: bytes) -> None:
    with pytest.raises(ImageArchiveError), ExitStack() as opened:
        read_image(io.BytesIO(data), opened)


def test_a_list_is_read_as_it_was_written_and_the_same_bytes_each_time() -> None:
    odd = Entry("/opt/odd\udcff", "file", 0o644, attributes="e" * 64)
    manifest = Manifest("sha256:1", {"User": "1"}, ("sha256:2",), (*ALL, odd))
    entries = parse(render(manifest), "it").entries
    assert set(entries) == set(manifest.entries)
    assert parse(render(manifest), "it") == replace(manifest, entries=entries)
    assert render(parse(render(manifest), "it")) == render(replace(manifest, entries=entries))
    assert len(render(manifest).splitlines()) > len(manifest.entries)  # one a line, for people with `diff`


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": "another"}',
        '{"format": "harness-image-files/1", "image": "x", "settings": {}, "layers": [], "files": [1]}',
        '{"format": "harness-image-files/1", "image": "x", "settings": [], "layers": [], "files": []}',
        (
            '{"format": "harness-image-files/1", "image": "x", "settings": {}, "layers": [], "files": '
            '[{"path": "/a", "kind": "file", "mode": "999"}]}'
        ),
        (
            '{"format": "harness-image-files/1", "image": "x", "settings": {}, "layers": [], "files": '
            '[{"path": "/a", "kind": "file", "mode": "0644", "uid": "root"}]}'
        ),
        "[" * 100_000,
    ],
)
def test_another_file_is_no_list(text: str) -> None:
    with pytest.raises(UserError, match="no list of an image's files"):
        parse(text.encode(), "it")


def test_settings_that_differ_are_named_and_each_label_by_itself() -> None:
    assert differing_settings({"User": "1", "Labels": {"a": "1"}}, {"User": "1", "Labels": {"a": "1"}}) == ""
    said = differing_settings({"User": "1", "Labels": {"a": "1", "b": "1"}}, {"Labels": {"a": "2", "b": "1"}})
    assert said == "Labels a is '2' instead of '1'; User is None instead of '1'"
