"""The image of today's sources is found, listed and verified from what the engine and the records say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from image_doubles import EngineDouble, source_tree

from harness.cli.image import image as command
from harness.core.errors import ImageMissingError, UserError
from harness.images import current, current_tag, inputs
from harness.images.build import build
from harness.images.records import BaseRecord, BuildRecord, Records, cache_dir
from harness.images.refs import list_images, verify

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
