"""What a build asks of the engine: the stages it needs, no layer sent twice, all of them where one is gone."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import docker
import pytest
from image_doubles import EngineDouble, Put, saved, source_tree, tar_of

from harness.images import base as bases
from harness.images import build as building
from harness.images.build import ImageBuildError, build
from harness.images.files import ImageArchiveError
from harness.images.records import Records
from harness.images.whole import recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS python
COPY stages/install.py /build/
FROM python AS code
COPY sandbox/ /opt/harness/sandbox/
FROM python AS packages
COPY lock.txt /build/
FROM scratch
COPY --from=python / /
COPY --from=packages /opt/site-packages/ /opt/site-packages/
COPY --from=code /opt/harness/ /opt/harness/
USER 65532:65532
"""


class Maker:
    """An engine that makes stages and loads images; its layers are kept by digest, and `double` answers questions."""

    def __init__(self, double: EngineDouble) -> None:
        self.double = double
        self.layers: set[str] = set()
        self.stages: list[str] = []
        self.sent: list[list[str]] = []
        self.containers: set[str] = set()
        self.loaded: dict[str, dict[str, Any]] = {}
        self.breaks = ""
        self.root = tar_of(Put("etc/group", b"root\n"))
        self.code = b"print(1)\n"

    def close(self) -> None:
        pass

    def build(self, *, target: str, nocache: bool, **_: object) -> Iterator[dict[str, Any]]:
        self.stages.append(f"{target} anew" if nocache else target)
        yield {"stream": "Step 1/2 : FROM x\n"}
        yield {"aux": {"ID": f"sha256:{target}"}}

    def get_image(self, image: str) -> Iterator[bytes]:
        assert image == "sha256:python"
        yield saved(self.root)

    def create_container(self, image: str, *_: object, **__: object) -> dict[str, str]:
        self.containers.add(image)
        return {"Id": image}

    def get_archive(self, container: str, path: str) -> tuple[Iterable[bytes], None]:
        if self.breaks == container:
            raise docker.errors.APIError("no such path")
        name = path.rpartition("/")[2]
        content = self.code if name == "harness" else b"torch"
        return [tar_of(Put(name, kind=tarfile.DIRTYPE, mode=0o755), Put(f"{name}/a.py", content, uid=7))], None

    def remove_container(self, container: str, **_: object) -> None:
        self.containers.remove(container)

    def load_image(self, pieces: Iterable[bytes]) -> Iterator[dict[str, str]]:
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
            held = {
                name.removesuffix(".tar"): file.read()
                for name in archive.getnames()
                if (file := archive.extractfile(name))
            }
        (about,) = json.loads(held.pop("manifest.json"))
        config = held.pop(about["Config"])
        self.sent.append(sorted(held))
        assert all(hashlib.sha256(data).hexdigest() == name for name, data in held.items())
        self.layers |= set(held)
        if not {name.removesuffix(".tar") for name in about["Layers"]} <= self.layers:
            yield {"error": "no such layer"}
            return
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self.loaded[digest] = json.loads(config)
        self.double.add(digest, digest, self.loaded[digest]["config"]["Labels"])
        yield {"stream": f"Loaded image ID: {digest}\n"}

    def tag(self, image: str, repository: str, tag: str, **_: object) -> None:
        self.double.add(f"{repository}:{tag}", image, self.loaded[image]["config"]["Labels"])


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    double = EngineDouble()
    made = Maker(double)
    monkeypatch.setattr(bases, "resolve", lambda *_, **__: bases.Base("debian@sha256:11", "harness-base:x"))
    monkeypatch.setattr(building, "client", lambda: made)
    source_tree(tmp_path / "src")
    (tmp_path / "src" / "dockerfiles" / "sandbox.Dockerfile").write_text(DOCKERFILE)
    with double.listening(tmp_path / "e.sock") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        yield made
    assert made.containers == set()


def built(tmp_path: Path, cache: str = "cache", **options: Any) -> str:
    return build(root=tmp_path / "src", cache=tmp_path / cache, **options).image.digest


def edit(tmp_path: Path, maker: Maker) -> None:
    (tmp_path / "src" / "sandbox" / "__main__.py").write_text("print('changed')\n")
    maker.code = b"print(2)\n"
    maker.stages.clear()
    maker.sent.clear()


def test_the_id_is_that_of_what_was_packed_and_the_same_from_another_cache(maker: Maker, tmp_path: Path) -> None:
    first = built(tmp_path)
    assert list(maker.loaded) == [first]
    assert maker.stages == ["python", "packages", "code"]
    assert maker.loaded[first]["config"]["User"] == "65532:65532"
    assert built(tmp_path, "another") == first
    assert built(tmp_path, fresh=True) == first
    assert maker.stages[-3:] == ["python anew", "packages anew", "code anew"]


def test_after_a_change_of_the_code_one_stage_is_made_and_one_layer_sent(maker: Maker, tmp_path: Path) -> None:
    before = built(tmp_path)
    edit(tmp_path, maker)
    after = built(tmp_path)
    assert maker.stages == ["code"]
    assert [len(layers) for layers in maker.sent] == [1]
    layers = [maker.loaded[digest]["rootfs"]["diff_ids"] for digest in (before, after)]
    assert layers[0][:2] == layers[1][:2]
    assert layers[0][2] != layers[1][2]


def test_an_engine_that_lost_the_layers_is_sent_all_of_them(maker: Maker, tmp_path: Path) -> None:
    built(tmp_path)
    edit(tmp_path, maker)
    maker.layers.clear()
    built(tmp_path)
    assert [len(layers) for layers in maker.sent] == [1, 3]
    assert maker.stages == ["code", "python", "packages", "code"]


def test_a_list_of_a_layer_that_is_damaged_has_the_layer_made_again(maker: Maker, tmp_path: Path) -> None:
    digest = built(tmp_path)
    for path in (tmp_path / "cache" / "images").glob("layer-*.json"):
        path.write_text("[{}]")
    edit(tmp_path, maker)
    assert built(tmp_path) != digest
    assert maker.stages == ["python", "packages", "code"]


def test_the_files_are_kept_as_they_are_in_the_image(maker: Maker, tmp_path: Path) -> None:
    digest = built(tmp_path)
    tag = next(tag for tag in maker.double.images if tag.startswith("harness"))
    records = Records(tmp_path / "cache")
    found = recorded(tag, records)
    assert found is not None
    assert found.image == digest
    assert [entry.path for entry in found.entries] == [
        "/etc",
        "/etc/group",
        "/opt",
        "/opt/harness",
        "/opt/harness/a.py",
        "/opt/site-packages",
        "/opt/site-packages/a.py",
    ]
    assert {(entry.uid, entry.mtime) for entry in found.entries} == {(0, 1000)}
    kept = tmp_path / "cache" / "images" / f"{tag.replace(':', '_')}.config"
    kept.write_text(kept.read_text().replace("65532:65532", "0:0"))
    assert recorded(tag, records) is None  # not what was recorded


def test_no_container_is_left_where_the_engine_fails(maker: Maker, tmp_path: Path) -> None:
    maker.breaks = "sha256:packages"
    with pytest.raises(ImageBuildError, match="no such path"):
        built(tmp_path)
    assert maker.containers == set()
    assert maker.loaded == {}


def test_half_an_archive_makes_no_image(maker: Maker, tmp_path: Path) -> None:
    whole = tar_of(Put("a", b"1"), Put("b", b"2"))
    maker.root = whole[:1024] + b"no header".ljust(512, b"\0") + whole[1536:]  # where the second file begins
    with pytest.raises(ImageArchiveError, match="in the middle"):
        built(tmp_path)
    assert maker.loaded == {}
