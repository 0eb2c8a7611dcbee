"""The same lock on the same base is the same image: built in two folders, with two caches, and no layer in common."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import docker
import pytest

from harness.containers.endpoint import find_engine
from harness.core.sources import project_root
from harness.images.build import build
from harness.images.files import render
from harness.images.records import BuildRecord, Records, cache_dir
from harness.images.whole import compare, of_engine, recorded, verify_whole

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.rest]


def on_the_same_base(latest: BuildRecord) -> dict[str, Any]:
    """How a build is told to take the base that this machine builds on."""
    kind = latest.base.partition("@")[0]
    return {"base_image": latest.base_reference} if kind == "own" else {"base": kind}


def test_two_folders_and_two_caches_give_one_digest(tmp_path: Path) -> None:
    """Catches what a build takes from its place or its time: dates, orders, owners, compiled files, lists, the base."""
    latest = Records().latest("cpu")
    if latest is None:
        pytest.skip("the image was loaded and not built here: there is no base to build on")
    found = []
    for place in (tmp_path / "one", tmp_path / "another" / "and deeper"):
        # A checkout elsewhere; what is a link in ours is a folder in it, as in an installation.
        ignored = shutil.ignore_patterns("__pycache__", "property_tests", "trainer")
        shutil.copytree(project_root() / "harness", place / "harness", ignore=ignored)
        cache = place / "cache"
        wheels = cache_dir() / "wheelhouse" / "cpu"
        if wheels.is_dir():  # they are known by their digests, so this saves only time
            shutil.copytree(wheels, cache / "wheelhouse" / "cpu")
        image = build(root=place, cache=cache, fresh=True, **on_the_same_base(latest)).image
        record = Records(cache).of_tag(image.tag)
        assert record is not None
        assert record.digest == image.digest
        found.append((image, record, Records(cache).beside(image.tag, "sbom"), cache))
    (first, record, bill, cache), (second, other, other_bill, _) = found
    assert first == second
    assert (record.files, record.sbom, bill) == (other.files, other.sbom, other_bill)

    # What was loaded is what was packed, to the last file, and its id is that of the configuration that was written.
    there = of_engine(first.tag)
    assert there == recorded(first.tag, Records(cache))
    assert record.files == f"sha256:{hashlib.sha256(render(there)).hexdigest()}"
    assert {(entry.uid, entry.gid, entry.mtime) for entry in there.entries} == {(0, 0, 1_700_000_000)}


def test_the_file_that_somebody_changed_is_named() -> None:
    """One byte in one file of the current image, in a container that is committed under a tag of its own."""
    image = build().image
    assert verify_whole(image.tag).intact
    client = docker.DockerClient(base_url=find_engine())
    repository, _, name = image.tag.partition(":")
    spare = f"{name[:-1]}{'0' if name[-1] != '0' else '1'}"
    write = "open('/opt/harness/sandbox/wire.py', 'a').write('#')"
    container = client.containers.create(image.digest, ["-I", "-c", write], entrypoint="python3", user="0")
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0
        container.commit(repository=repository, tag=spare)
        found = compare(f"{repository}:{spare}", image.tag)
        assert not found.intact
        (files,) = (check for check in found.checks if check.name == "files")
        assert files.detail.startswith("/opt/harness/sandbox/wire.py: content (size)")
    finally:
        container.remove(force=True)
        client.images.remove(f"{repository}:{spare}", force=True)
        client.close()
