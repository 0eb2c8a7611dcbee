"""The same files are the same bytes, whatever order, dates, owners and names they came with."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import ExitStack

import pytest
from image_doubles import Put, saved, tar_of

from harness.images.files import read_image, read_tar
from harness.images.pack import Layer, archive, chosen, configuration, write_layer

EPOCH = 1_700_000_000
LONG = "opt/" + "/".join(["a-name-of-some-length"] * 8) + "/module.py"
FILES = (
    Put("etc", kind=tarfile.DIRTYPE, mode=0o755),
    Put("etc/group", b"root:x:0:\n"),
    Put("etc-2", b"sorted after the folder etc and all in it, though - is less than /"),
    Put("bin", kind=tarfile.SYMTYPE, link="usr/bin"),
    Put("usr/bin/python3", b"#!", mode=0o755),
    Put("tmp", kind=tarfile.DIRTYPE, mode=0o1777),
    Put(LONG, b"x = 1\n"),
    Put("usr/größe.txt", "größe".encode()),
)


def packed(*members: Put) -> Layer:
    return write_layer(io.BytesIO(), chosen(read_tar(io.BytesIO(tar_of(*members))), EPOCH))


def content(layer: Layer) -> bytes:
    assert isinstance(layer.archive, io.BytesIO)
    return layer.archive.getvalue()


def foreign(put: Put, **changed: object) -> Put:
    return Put(**{**{name: getattr(put, name) for name in Put.__dataclass_fields__}, **changed})


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(tuple(FILES[i] for i in (5, 2, 7, 0, 3, 6, 1, 4)), id="shuffled"),
        pytest.param(tuple(foreign(put, mtime=put.mtime + 86_400) for put in FILES), id="a day later"),
        pytest.param(tuple(foreign(put, mtime=1.5) for put in FILES), id="parts of a second"),
        pytest.param(tuple(foreign(put, uid=1000) for put in FILES), id="another owner"),
        pytest.param(tuple(foreign(put, user="somebody") for put in FILES), id="another name of the owner"),
        pytest.param(tuple(foreign(put, name=f"./{put.name}") for put in FILES), id="names from a dot"),
        pytest.param(tuple(foreign(put, xattrs=(("user.a", "b"),)) for put in FILES), id="extended attributes"),
        pytest.param((*FILES, Put("dev/null", kind=tarfile.CHRTYPE)), id="a device"),
        pytest.param(
            (*FILES[:4], foreign(FILES[4], mode=0o4755), *FILES[5:]),
            id="a setuid bit",
        ),
        pytest.param(
            (*FILES[:2], Put("etc-2", FILES[2].data), *FILES[3:]),
            id="the same again",
        ),
    ],
)
def test_what_another_machine_has_otherwise_changes_no_byte(other: tuple[Put, ...]) -> None:
    expected, found = packed(*FILES), packed(*other)
    if "dev" in {put.name.split("/")[0] for put in other}:  # its folder stays
        expected = packed(*FILES, Put("dev", kind=tarfile.DIRTYPE, mode=0o755))
        found = packed(*other, Put("dev", kind=tarfile.DIRTYPE, mode=0o755))
    assert found.digest == expected.digest
    assert content(found) == content(expected)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((*FILES[:1], Put("etc/group", b"root:x:1:\n"), *FILES[2:]), id="a byte"),
        pytest.param(FILES[1:], id="a folder's mode by the way"),
        pytest.param(FILES[:-1], id="a file less"),
        pytest.param((*FILES, Put("new")), id="a file more"),
        pytest.param((*FILES[:4], foreign(FILES[4], mode=0o555), *FILES[5:]), id="a mode"),
        pytest.param((*FILES[:3], foreign(FILES[3], link="usr/sbin"), *FILES[4:]), id="a link"),
    ],
)
def test_what_is_another_image_is_another_digest(other: tuple[Put, ...]) -> None:
    if other == FILES[1:]:
        other = (Put("etc", kind=tarfile.DIRTYPE, mode=0o700), *other)
    assert packed(*other).digest != packed(*FILES).digest


def test_a_hard_link_is_a_file_whichever_of_its_names_comes_first() -> None:
    first = packed(Put("a", b"same"), Put("b", kind=tarfile.LNKTYPE, link="a"))
    second = packed(Put("b", b"same"), Put("a", kind=tarfile.LNKTYPE, link="b"))
    assert content(first) == content(second) == content(packed(Put("a", b"same"), Put("b", b"same")))


def test_the_layer_is_what_its_digest_says_and_standard_tools_read_it() -> None:
    layer = packed(*FILES)
    assert layer.digest == f"sha256:{hashlib.sha256(content(layer)).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(content(layer))) as read:
        names = read.getnames()
        assert {(member.mtime, member.uid, member.gid, member.uname) for member in read} == {(EPOCH, 0, 0, "")}
        assert read.getmember("tmp").mode == 0o1777
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert LONG in names
    assert names.index("etc/group") < names.index("etc-2")
    assert "opt/a-name-of-some-length" in names  # a folder on the way that the archive did not name


def test_folders_that_lie_below_are_left_out_of_a_layer() -> None:
    tree = read_tar(
        io.BytesIO(tar_of(Put("site-packages/m.py", b"1"))), strip="site-packages", below="/opt/site-packages"
    )
    assert [held.entry.path for held in chosen(tree, EPOCH, ["/opt"])] == [
        "/opt/site-packages",
        "/opt/site-packages/m.py",
    ]


def test_the_configuration_has_one_date_and_no_host() -> None:
    layers = [("sha256:1", "/"), ("sha256:2", "/opt")]
    settings = {"User": "65532:65532", "Env": ["A=b"]}
    made = configuration(settings, {"b": "2", "a": "1"}, layers, EPOCH)
    assert made == configuration(settings, {"a": "1", "b": "2"}, layers, EPOCH)
    read = json.loads(made)
    assert read["created"] == "2023-11-14T22:13:20Z"
    assert {step["created"] for step in read["history"]} == {"2023-11-14T22:13:20Z"}
    assert read["rootfs"]["diff_ids"] == ["sha256:1", "sha256:2"]
    assert set(read) == {"architecture", "config", "created", "history", "os", "rootfs"}


def test_the_archive_names_all_layers_and_holds_those_that_were_made() -> None:
    made = packed(*FILES)
    config = configuration({}, {}, [("sha256:0", "/"), (made.digest, "/opt")], EPOCH)
    data = b"".join(archive(config, [Layer("sha256:0", ()), made]))
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        (about,) = json.loads(read.extractfile("manifest.json").read())  # type: ignore[union-attr]
        assert about["Layers"] == ["0.tar", f"{made.digest[7:]}.tar"]
        assert read.getnames() == [f"{hashlib.sha256(config).hexdigest()}.json", about["Layers"][1], "manifest.json"]
    whole = b"".join(archive(configuration({}, {}, [(made.digest, "/")], EPOCH), [made]))
    with ExitStack() as opened:
        _, tree = read_image(io.BytesIO(whole), opened)
    assert [held.entry for held in tree.values()] == list(made.entries)


def test_what_is_read_of_an_engines_archive_can_be_packed() -> None:
    with ExitStack() as opened:
        _, tree = read_image(io.BytesIO(saved(tar_of(*FILES))), opened)
        assert write_layer(io.BytesIO(), chosen(tree, EPOCH)).digest == packed(*FILES).digest
