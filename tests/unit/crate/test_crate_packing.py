"""The one way in which an archive is packed: every byte of it is looked at."""

from __future__ import annotations

import io
import zipfile

import pytest

from harness.crate.packing import NoArchiveError, packed, unpacked

FILES = {"a/one.txt": b"one\n", "b.json": b"{}\n", "empty": b""}


def test_what_is_packed_is_unpacked_and_is_the_same_whatever_the_order() -> None:
    data = packed(FILES)
    assert unpacked(data) == FILES
    assert packed(dict(reversed(FILES.items()))) == data


def test_every_byte_counts() -> None:
    data = packed(FILES)
    for place in range(len(data)):
        for change in (1, 128):
            spoilt = bytearray(data)
            spoilt[place] ^= change
            try:
                found = unpacked(bytes(spoilt))
            except NoArchiveError:
                continue
            assert found != FILES, place  # its contents, which a record names by their digests


@pytest.mark.parametrize("cut", ["first", "last", "middle", "more", "before"])
def test_bytes_that_are_lost_or_added_are_noticed(cut: str) -> None:
    data = packed(FILES)
    spoilt = {
        "first": data[1:],
        "last": data[:-1],
        "middle": data[:50] + data[51:],
        "more": data + b"\0",
        "before": b"\0" + data,
    }[cut]
    with pytest.raises(NoArchiveError):
        unpacked(spoilt)


def _by_another(**more: object) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **more) as archive:  # type: ignore[call-overload]
        for name, data in FILES.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_an_archive_of_another_program_is_none() -> None:
    with pytest.raises(NoArchiveError, match="not packed as its contents are"):
        unpacked(_by_another())
    with pytest.raises(NoArchiveError, match="compressed"):
        unpacked(_by_another(compression=zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../../b", "a//b", "a/", "", "c:\\a", "a\\b", "a\nb", "\x1b[2J", "./a", "ä"]
)
def test_no_file_leads_out_or_writes_on_a_terminal(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file"):
        packed({name: b""})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name or " ", (1980, 1, 1, 0, 0, 0)), b"")
    with pytest.raises(NoArchiveError):
        unpacked(out.getvalue())


def test_a_name_that_is_there_twice_is_noticed() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a", (1980, 1, 1, 0, 0, 0)), b"honest")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(zipfile.ZipInfo("a", (1980, 1, 1, 0, 0, 0)), b"another")
    with pytest.raises(NoArchiveError):
        unpacked(out.getvalue())
