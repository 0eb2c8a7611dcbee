"""The tag is a function of every input and of nothing else; locks and context are exact."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from image_doubles import PIN, source_tree

from harness.core.errors import InfrastructureError, UserError
from harness.core.sources import project_root
from harness.images.build import write_context
from harness.images.inputs import debian_recipe, inputs_for, slim_reference
from harness.images.wheelhouse import Locked, LockError, parse, render

if TYPE_CHECKING:
    from pathlib import Path

BASE = "debian@sha256:00"
LOCKS = project_root() / "dockerfiles" / "locks"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return source_tree(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "dockerfiles/sandbox.Dockerfile",
        "dockerfiles/stages/install.py",
        "dockerfiles/locks/sandbox-cpu.txt",
        "dockerfiles/locks/build.txt",
        "sandbox/__main__.py",
    ],
)
def test_every_input_changes_the_tag(tree: Path, name: str) -> None:
    before = inputs_for("cpu", tree).tag(BASE)
    with (tree / name).open("a") as stream:
        stream.write("# changed\n")
    assert inputs_for("cpu", tree).tag(BASE) != before


def test_a_renamed_source_changes_the_tag(tree: Path) -> None:
    before = inputs_for("cpu", tree).tag(BASE)
    (tree / "sandbox" / "__init__.py").rename(tree / "sandbox" / "other.py")
    assert inputs_for("cpu", tree).tag(BASE) != before


def test_base_and_variant_change_the_tag(tree: Path) -> None:
    cpu = inputs_for("cpu", tree)
    assert len({cpu.tag(BASE), cpu.tag("slim@sha256:00"), inputs_for("cuda", tree).tag(BASE)}) == 3


def test_what_is_no_input_does_not_change_the_tag(tree: Path) -> None:
    before = inputs_for("cpu", tree).tag(BASE)
    (tree / "sandbox" / "__pycache__").mkdir()
    (tree / "sandbox" / "__pycache__" / "x.py").touch()
    (tree / "sandbox" / "notes.txt~").touch()
    (tree / "dockerfiles" / "locks" / "sandbox-cuda.txt").write_text("changed")
    assert inputs_for("cpu", tree).tag(BASE) == before


def test_the_tag_has_the_stated_form(tree: Path) -> None:
    inputs = inputs_for("cpu", tree)
    assert inputs.tag(BASE) == f"harness-sandbox:cpu-{inputs.digest(BASE)[:12]}"


def test_an_unknown_variant_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="tpu"):
        inputs_for("tpu")


def test_a_missing_source_is_reported(tree: Path) -> None:
    (tree / "dockerfiles" / "sandbox.Dockerfile").unlink()
    with pytest.raises(InfrastructureError, match=r"sandbox\.Dockerfile"):
        inputs_for("cpu", tree).tag(BASE)


def test_the_base_lock_is_pinned() -> None:
    assert "@sha256:" in slim_reference()
    assert debian_recipe().suite == "bookworm"


def archive(tree: Path, tmp_path: Path) -> bytes:
    wheel = tmp_path / "torch-2.13.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    target = io.BytesIO()
    write_context(target, inputs_for("cpu", tree).files, [wheel])
    return target.getvalue()


def test_the_context_is_the_same_bytes_each_time(tree: Path, tmp_path: Path) -> None:
    first = archive(tree, tmp_path)
    for path in tree.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes())  # a new time of change
    assert archive(tree, tmp_path) == first


def test_the_context_holds_the_inputs_the_wheels_and_nothing_else(tree: Path, tmp_path: Path) -> None:
    (tree / "secret.txt").write_text("secret")
    with tarfile.open(fileobj=io.BytesIO(archive(tree, tmp_path))) as context:
        members = context.getmembers()
    assert {member.name for member in members if member.isreg()} == {
        "Dockerfile",
        "build.txt",
        "lock.txt",
        "sandbox/__init__.py",
        "sandbox/__main__.py",
        "stages/install.py",
        "wheelhouse/torch-2.13.0-py3-none-any.whl",
    }
    assert all((member.uid, member.gid, member.uname) == (0, 0, "") for member in members)


def test_a_lock_is_read_and_written_back() -> None:
    pins = (Locked("numpy", "2.0", frozenset(["b" * 64, PIN])), Locked("click", "1.0", frozenset([PIN])))
    text = render(pins, "Why.\nHow.")
    assert set(parse(text)) == set(pins)
    assert text.startswith("# Why.\n# How.\nclick==1.0 \\\n    --hash=sha256:")


@pytest.mark.parametrize(
    "line",
    [
        "click>=1.0 --hash=sha256:" + PIN,
        "click==1.0",
        "click==1.0 --hash=md5:00",
        "--index-url https://example.org/simple",
        "click @ file:///tmp/click.whl --hash=sha256:" + PIN,
        "./click --hash=sha256:" + PIN,
        "# only words",
    ],
)
def test_a_lock_holds_exact_pins_with_digests_alone(line: str) -> None:
    with pytest.raises(LockError):
        parse(line)


@pytest.mark.parametrize("name", ["host.txt", "sandbox-cpu.txt", "sandbox-cuda.txt", "build.txt"])
def test_the_shipped_locks_are_exact_and_name_no_address(name: str) -> None:
    text = (LOCKS / name).read_text()
    assert parse(text, name)
    assert "://" not in text


def test_the_shipped_locks_pin_the_right_torch() -> None:
    def version(name: str) -> dict[str, str]:
        return {pin.name: pin.version for pin in parse((LOCKS / name).read_text())}

    assert version("sandbox-cpu.txt")["torch"] == "2.13.0+cpu"
    assert version("sandbox-cuda.txt")["torch"] == "2.13.0"
    assert "torch" not in version("host.txt")
    assert not [name for name in version("sandbox-cpu.txt") if name.startswith(("nvidia", "cuda"))]
