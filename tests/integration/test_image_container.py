"""A really built image: what it can do, what it does not hold, and that an altered one is noticed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import docker
import pytest

from harness.containers.endpoint import find_engine
from harness.images import ImageRef, current
from harness.images.build import build
from harness.images.records import Records
from harness.images.refs import verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.container

INVENTORY = """
import importlib.util, json, os, stat
programs, privileged, writable = [], [], []
for folder, _, names in os.walk("/"):
    if folder.split("/")[1] in ("proc", "sys", "dev"):
        continue
    for name in names:
        path = os.path.join(folder, name)
        mode = os.lstat(path).st_mode
        if mode & 0o6000:
            privileged.append(path)
        if not stat.S_ISLNK(mode) and mode & 0o002:
            writable.append(path)
        if folder.endswith("/bin") or folder.endswith("/sbin"):
            programs.append(path)
modules = ("pip", "setuptools", "ensurepip", "wheel", "numpy", "pytest")
print(json.dumps({
    "programs": sorted(programs), "privileged": privileged, "writable": writable,
    "modules": [name for name in modules if importlib.util.find_spec(name)],
}))
"""
LEARN = """
import os, sys, torch
x = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
torch.nn.functional.softplus(-x).sum().backward()
assert torch.allclose(x.grad, -torch.sigmoid(-x.detach()))
print(os.getuid(), os.getgid(), torch.__version__, sys.flags.isolated)
"""
UNCOMPILED = """
import json, os, sys
import sandbox.server, torch.nn.functional
specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
sources = [spec for spec in specs if spec and spec.origin and spec.origin.endswith(".py")]
print([spec.origin for spec in sources if not os.path.exists(spec.cached)])
"""
NETWORK = """
import socket
print([name for _, name in socket.if_nameindex()])
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=find_engine())
    yield client
    client.close()


@pytest.fixture(scope="module")
def image() -> ImageRef:
    return build().image


def run(engine: docker.DockerClient, image: ImageRef, *arguments: str, user: str = "") -> str:
    output = engine.containers.run(
        image.digest,
        ["-I", "-B", *arguments],
        entrypoint="python3",
        user=user or None,
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        environment={"OMP_NUM_THREADS": "1"},
        remove=True,
    )
    return output.decode()


def test_torch_works_for_the_candidates_user_without_network(engine: docker.DockerClient, image: ImageRef) -> None:
    assert run(engine, image, "-W", "ignore", "-c", LEARN).split() == ["65532", "65532", "2.13.0+cpu", "1"]
    assert run(engine, image, "-c", NETWORK).strip() == "['lo']"


def test_it_holds_python_and_no_other_program(engine: docker.DockerClient, image: ImageRef) -> None:
    found = json.loads(run(engine, image, "-c", INVENTORY, user="0"))
    strangers = [path for path in found["programs"] if "python3" not in path and not path.endswith("torch_shm_manager")]
    assert strangers == []
    assert found["privileged"] == []
    assert found["writable"] == []
    assert found["modules"] == []


def test_nothing_is_compiled_at_a_start(engine: docker.DockerClient, image: ImageRef) -> None:
    assert run(engine, image, "-W", "ignore", "-c", UNCOMPILED).strip() == "[]"


def test_the_entry_point_is_the_sandbox_and_an_isolated_start_finds_it(
    engine: docker.DockerClient, image: ImageRef
) -> None:
    config = engine.images.get(image.digest).attrs["Config"]
    assert config["Entrypoint"] == ["python3", "-I", "-B", "-m", "sandbox"]
    assert config["User"] == "65532:65532"
    where = "import sandbox; print(sandbox.__file__)"
    assert run(engine, image, "-c", where).strip() == "/opt/harness/sandbox/__init__.py"


def test_the_labels_say_what_it_is(engine: docker.DockerClient, image: ImageRef) -> None:
    labels = engine.images.get(image.digest).labels
    assert labels["harness.sandbox"] == "cpu"
    assert labels["harness.sandbox.torch"] == "2.13.0+cpu"
    assert labels["harness.sandbox.inputs"].removeprefix("sha256:").startswith(image.tag.rpartition("-")[2])


def test_a_second_build_does_nothing(image: ImageRef) -> None:
    again = build()
    assert again.image == image == current()
    assert not again.rebuilt


def test_verify_notices_an_altered_image(engine: docker.DockerClient, image: ImageRef, tmp_path: Path) -> None:
    """The same labels on other content, under a tag of its own and a record elsewhere: ours stay."""
    repository, name = image.tag.split(":")
    spare = f"{name[:-1]}{'0' if name[-1] != '0' else '1'}"
    record = Records().of_tag(image.tag)
    assert record is not None
    moved = type(record)(
        f"{repository}:{spare}",
        record.digest,
        record.variant,
        record.inputs,
        record.base,
        record.base_reference,
    )
    Records(tmp_path).remember(moved)
    assert verify(image.tag).intact
    container = engine.containers.create(image.digest, ["-c", "pass"], entrypoint="python3")
    try:
        container.commit(repository=repository, tag=spare)
        found = verify(moved.tag, cache=tmp_path)
        assert not found.intact
        assert "digest" in [check.name for check in found.checks if not check.ok]
    finally:
        container.remove(force=True)
        engine.images.remove(moved.tag, force=True)


def test_the_command_lists_and_verifies_it(image: ImageRef) -> None:
    import sys

    start = [sys.executable, "-c", "from harness.cli import main; main()", "image"]
    listed = subprocess.run([*start, "list", "--json"], capture_output=True, text=True, check=True)
    entry = next(entry for entry in json.loads(listed.stdout) if entry["tag"] == image.tag)
    assert entry["current"] is True
    assert entry["digest"] == image.digest
    verified = subprocess.run([*start, "verify"], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
