"""The image of today's sources is found, listed and verified from what the engine and the records say."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from image_doubles import EngineDouble, Put, saved, source_tree, tar_of

from harness.cli.image import image as command
from harness.core.errors import ImageMissingError, UserError
from harness.images import current, current_tag, inputs
from harness.images.build import build
from harness.images.files import read_image, render, shown
from harness.images.records import BaseRecord, BuildRecord, Records, cache_dir
from harness.images.refs import list_images, verify
from harness.images.whole import of_layers

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "debian@sha256:00"
DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineDouble]:
    """An engine, a source tree and a cache of this test's own."""
    source_tree(tmp_path / "src")
    monkeypatch.setattr(inputs, "project_root", lambda: tmp_path / "src")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    double = EngineDouble()
    with double.listening(tmp_path / "e.sock") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        yield double


def labels(**changed: str) -> dict[str, str]:
    digest = inputs.inputs_for("cpu").digest(BASE)
    own = {"": "cpu", ".inputs": f"sha256:{digest}", ".base": BASE}
    return {f"harness.sandbox{name}": value for name, value in {**own, **changed}.items()}


def tag() -> str:
    return inputs.inputs_for("cpu").tag(BASE)


def record() -> None:
    digest = inputs.inputs_for("cpu").digest(BASE)
    Records().remember_base(BaseRecord(BASE, "harness-base:x", inputs.debian_recipe().digest))
    Records().remember(BuildRecord(tag(), DIGEST, "cpu", digest, BASE, "harness-base:x"))


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_the_built_image_is_the_current_one(engine: EngineDouble) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    found = current()
    assert (found.tag, found.digest, found.variant) == (tag(), DIGEST, "cpu")


def test_the_current_tag_asks_no_engine(engine: EngineDouble) -> None:
    assert current_tag() is None
    record()
    assert current_tag() == tag()
    assert engine.asked == []


def test_changed_sources_make_the_image_missing(engine: EngineDouble, tmp_path: Path) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    (tmp_path / "src" / "sandbox" / "__main__.py").write_text("print('changed')\n")
    with pytest.raises(ImageMissingError) as caught:
        current()
    assert "harness image build" in caught.value.remedy
    assert caught.value.exit_code == 3


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("base", ["slim@sha256:" + "a" * 64, BASE, "own@sha256:11"])
def test_a_changed_base_lock_makes_the_image_missing(tmp_path: Path, base: str) -> None:
    record()
    Records().remember(BuildRecord("t", DIGEST, "cpu", "i", base, "r"))
    assert current_tag() is not None
    lock = tmp_path / "src" / "dockerfiles" / "base.lock"
    lock.write_text(lock.read_text().replace("python@sha256:a", "python@sha256:b").replace("1000", "2000"))
    assert (current_tag() is not None) == base.startswith("own@")


def test_an_image_under_a_moved_tag_is_not_used(engine: EngineDouble) -> None:
    record()
    engine.add(tag(), OTHER, labels())
    with pytest.raises(ImageMissingError, match="not the image that was built here"):
        current()


def test_an_image_loaded_from_another_machine_is_found(engine: EngineDouble) -> None:
    engine.add(tag(), DIGEST, labels())
    assert current().digest == DIGEST


def test_a_loaded_image_of_other_sources_is_not_used(engine: EngineDouble) -> None:
    engine.add("harness-sandbox:cpu-000000000000", DIGEST, labels())
    with pytest.raises(ImageMissingError):
        current()


def test_podmans_long_names_are_understood(engine: EngineDouble) -> None:
    engine.add(f"localhost/{tag()}", DIGEST, labels())
    assert current().tag == tag()


def test_a_second_build_does_nothing(engine: EngineDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.images import base as bases

    record()
    engine.add(tag(), DIGEST, labels())
    monkeypatch.setattr(bases, "resolve", lambda *_, **__: bases.Base(BASE, "harness-base:x"))
    done = build()
    assert not done.rebuilt
    assert done.image.digest == DIGEST


def test_the_list_has_the_stated_fields(engine: EngineDouble) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    engine.add("harness-sandbox:cpu-000000000000", OTHER, labels(), created="2025-01-01T00:00:00Z")
    code, out, _ = invoke("list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert listed[0] == {
        "tag": tag(),
        "digest": DIGEST,
        "variant": "cpu",
        "created": "2026-01-01T00:00:00Z",
        "size": 1000,
        "current": True,
    }
    assert [entry["current"] for entry in listed] == [True, False]


def test_the_list_for_people_names_each_tag_or_says_that_there_is_none(engine: EngineDouble) -> None:
    assert "no sandbox image" in invoke("list")[1]
    engine.add(tag(), DIGEST, labels())
    assert f"{tag()}  {DIGEST[:19]}" in invoke("list")[1]
    assert len(list_images()) == 1


def test_an_intact_image_verifies(engine: EngineDouble) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    code, out, _ = invoke("verify", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["intact"] is True
    assert found["current"] is True
    assert all(check["ok"] for check in found["checks"])


def test_another_image_under_the_tag_is_altered(engine: EngineDouble) -> None:
    record()
    engine.add(tag(), OTHER, labels())
    code, out, _ = invoke("verify")
    assert code == 1
    assert "ALTERED" in out
    assert OTHER in out


@pytest.mark.parametrize(
    "changed", [{".inputs": "sha256:" + "0" * 64}, {"": "cuda"}, {".base": "debian@sha256:99"}], ids=str
)
def test_labels_that_do_not_fit_are_altered(engine: EngineDouble, changed: dict[str, str]) -> None:
    engine.add(tag(), DIGEST, labels(**changed))
    found = verify(tag(), expected=DIGEST)
    assert not found.intact


def keep(*members: Put, user: str = "1") -> bytes:
    """Keep the list of an image of one layer with its record; return the image as the engine would save it."""
    layer = tar_of(*members)
    archive = saved(layer, settings={"User": user})
    with ExitStack() as opened:
        config, tree = read_image(io.BytesIO(archive), opened)
    (digest,) = json.loads(config)["rootfs"]["diff_ids"]
    listed = json.dumps([shown(held.entry) for held in tree.values()]).encode()
    records = Records()
    records.remember_layer("0" * 32, digest, listed)
    records.remember_beside(tag(), "config", config)
    whole = of_layers(config, [[held.entry for held in tree.values()]])
    files = f"sha256:{hashlib.sha256(render(whole)).hexdigest()}"
    known = records.of_tag(tag())
    assert known is not None
    records.remember(replace(known, files=files))
    return archive


FILES = (Put("opt", kind=tarfile.DIRTYPE, mode=0o755), Put("opt/a.py", b"1"), Put("opt/z.py", b"2"))


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (FILES, ""),
        ((*FILES[:1], Put("opt/a.py", b"9"), FILES[2]), "/opt/a.py: content"),
        ((*FILES[:1], Put("opt/a.py", b"1", mode=0o755), FILES[2]), "/opt/a.py: mode is 0755 instead of 0644"),
        ((*FILES, Put("opt/b.py", b"")), "/opt/b.py: added"),
        (FILES[:2], "/opt/z.py: missing"),
    ],
    ids=["the same", "content", "mode", "added", "missing"],
)
def test_verify_names_the_first_file_that_differs(engine: EngineDouble, there: tuple[Put, ...], said: str) -> None:
    record()
    keep(*FILES)
    engine.add(tag(), DIGEST, labels())
    engine.archives[tag()] = saved(tar_of(*there), settings={"User": "1"})
    code, out, _ = invoke("verify")
    assert code == (1 if said else 0)
    assert ("BAD files" in out) == bool(said)
    assert said in out


def test_verify_names_a_setting_that_differs(engine: EngineDouble) -> None:
    record()
    keep(*FILES)
    engine.add(tag(), DIGEST, labels())
    engine.archives[tag()] = saved(tar_of(*FILES), settings={"User": "0"})
    code, out, _ = invoke("verify")
    assert code == 1
    assert "BAD settings: User is '0' instead of '1'" in out


def test_a_file_that_was_altered_in_the_engines_own_folders_is_named(engine: EngineDouble) -> None:
    record()
    keep(*FILES)
    engine.add(tag(), DIGEST, labels())
    engine.archives[tag()] = b'error: file integrity checksum failed for "opt/a.py"'
    code, out, _ = invoke("verify")
    assert code == 1
    assert "opt/a.py" in out
    engine.archives[tag()] = b"error: no space left"  # what could not be read is not altered
    assert invoke("verify")[0] == 3


def test_a_list_that_is_not_the_recorded_one_is_not_compared_with(engine: EngineDouble, tmp_path: Path) -> None:
    record()
    engine.archives[tag()] = keep(*FILES)
    engine.add(tag(), DIGEST, labels())
    for path in (tmp_path / "cache" / "images").glob("layer-*.json"):
        path.write_text(path.read_text().replace("0644", "0600"))
    code, out, _ = invoke("verify")
    assert code == 0
    assert "files: not compared" in out


def test_an_image_is_compared_with_another_machines_list(engine: EngineDouble, tmp_path: Path) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    engine.archives[tag()] = keep(*FILES)
    listed = tmp_path / "theirs.json"
    assert invoke("manifest", "--output", str(listed))[0] == 0
    known = Records().of_tag(tag())
    assert known is not None
    assert f"sha256:{hashlib.sha256(listed.read_bytes()).hexdigest()}" == known.files
    code, out, _ = invoke("verify", tag(), "--against", str(listed))
    assert (code, "the same" in out) == (0, True)
    engine.archives[tag()] = saved(tar_of(*FILES[:2]), settings={"User": "1"})
    code, out, _ = invoke("verify", tag(), "--against", str(listed))
    assert code == 1
    assert "DIFFERS" in out
    assert "/opt/z.py: missing" in out


def test_two_images_here_are_compared(engine: EngineDouble) -> None:
    record()
    other = "harness-sandbox:cpu-000000000000"
    engine.add(tag(), DIGEST, labels())
    engine.add(other, OTHER, labels())
    engine.archives[tag()], engine.archives[other] = saved(tar_of(*FILES)), saved(tar_of(*FILES[:2]))
    code, out, _ = invoke("verify", other, "--against", tag())
    assert code == 1
    assert "/opt/z.py: missing" in out
    assert invoke("verify", other, "--against", other)[0] == 0


@pytest.mark.usefixtures("engine")
def test_what_is_no_list_and_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    record()
    (tmp_path / "theirs.json").write_text("{}")
    assert invoke("verify", "--against", str(tmp_path / "absent.json"))[0] in {2, 3}
    assert invoke("verify", "--against", "x", "--expect", "y")[0] == 2
    assert invoke("manifest", "python:3.11")[0] == 2


def test_the_bill_of_materials_is_what_was_recorded_or_none(engine: EngineDouble, tmp_path: Path) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    assert invoke("sbom")[0] == 3  # an image of before there were any
    bill = b'{"bomFormat": "CycloneDX"}\n'
    Records().remember_beside(tag(), "sbom", bill)
    known = Records().of_tag(tag())
    assert known is not None
    Records().remember(replace(known, sbom=f"sha256:{hashlib.sha256(bill).hexdigest()}"))
    assert invoke("sbom")[:2] == (0, bill.decode())
    assert invoke("sbom", tag(), "--output", str(tmp_path / "bill.json"))[0] == 0
    assert (tmp_path / "bill.json").read_bytes() == bill
    Records().remember_beside(tag(), "sbom", bill + b" ")
    assert invoke("sbom")[0] == 3


def test_since_when_an_image_is_there_is_not_the_date_that_all_of_them_have(engine: EngineDouble) -> None:
    engine.add(tag(), DIGEST, labels(), created="2023-11-14T22:13:20Z")
    engine.images[tag()]["Metadata"] = {"LastTagTime": "2026-05-05T05:05:05Z"}
    assert list_images()[0].created == "2026-05-05T05:05:05Z"
    engine.images[tag()]["Metadata"] = {"LastTagTime": "0001-01-01T00:00:00Z"}
    assert list_images()[0].created == "2023-11-14T22:13:20Z"


def test_an_older_image_verifies_against_its_record(engine: EngineDouble, tmp_path: Path) -> None:
    record()
    engine.add(tag(), DIGEST, labels())
    old = tag()
    (tmp_path / "src" / "sandbox" / "__main__.py").write_text("print('changed')\n")
    found = verify(old)
    assert found.intact
    assert not found.current


def test_a_loaded_image_needs_the_builders_digest(engine: EngineDouble) -> None:
    engine.add(tag(), DIGEST, labels())
    assert not verify(tag()).intact
    assert verify(tag(), expected=DIGEST).intact
    assert not verify(tag(), expected=OTHER).intact


@pytest.mark.usefixtures("engine")
def test_what_cannot_be_verified_is_not_altered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert invoke("verify")[0] == 3  # nothing built
    record()
    assert invoke("verify")[0] == 3  # built, and gone from the engine
    with pytest.raises(UserError):
        verify("python:3.11")
    assert invoke("verify", "python:3.11")[0] == 2
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/gone.sock")
    for arguments in (["verify"], ["list"], ["build"]):
        code, out, err = invoke(*arguments)
        assert (code, out) == (3, "")
        assert "try:" in err


@pytest.mark.usefixtures("engine")
def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    record()
    for path in (tmp_path / "cache" / "images").glob("*.json"):
        path.write_text('{"tag": 1')
    assert Records().of_tag(tag()) is None
    for path in (tmp_path / "cache" / "images").glob("*.json"):
        path.write_text('{"unknown": "field"}')
    assert Records().latest("cpu") is None


def test_the_cache_is_where_the_user_says(tmp_path: Path) -> None:
    assert cache_dir({"HARNESS_CACHE": str(tmp_path)}) == tmp_path
    assert cache_dir({"XDG_CACHE_HOME": "/x"}) == Path("/x/harness")
    assert cache_dir({"XDG_CACHE_HOME": "relative"}) == cache_dir({}) == Path.home() / ".cache" / "harness"


def test_asking_for_the_image_loads_no_client_library() -> None:
    probe = "import harness.images, sys; print({'docker', 'requests', 'click', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
