"""A user's files as a container sees them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from harness.core.errors import UserError
from harness.protocol.job import Job, Step
from harness.training.container import _inside, mounted, must_be_readable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """A snapshot in the hub's cache: links to blobs beside it."""
    made = tmp_path / "models--org--name"
    (made / "blobs").mkdir(parents=True)
    (made / "blobs" / "abc").write_text("weights")
    snapshot = made / "snapshots" / "1234"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to("../../blobs/abc")
    return snapshot


def inside(folder: Path, path: Path) -> tuple[Path, str]:
    """What is mounted for an input, and what the job is told of it."""
    work = Job("finetune", Step.PREPARE, 0, {}, str(folder), inputs={"model": str(path)})
    job, mounts = _inside(work, folder)
    (mount,) = [m for m in mounts if m.target.startswith("/inputs")]
    return mount.source, f"{mount.target} {job.inputs['model']}"


def test_a_folder_or_file_is_mounted_under_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a").write_text("x")
    (folder / "b").symlink_to("a")
    assert inside(tmp_path, folder) == (folder, "/inputs/0/model /inputs/0/model")
    assert inside(tmp_path, folder / "a") == (folder / "a", "/inputs/0/a /inputs/0/a")


def test_of_the_hubs_cache_the_whole_repository_is_mounted(cached: Path, tmp_path: Path) -> None:
    source, told = inside(tmp_path, cached)
    assert source == cached.parents[1]
    target, path = told.split()
    assert path == f"{target}/snapshots/1234"
    copied = tmp_path / "container"
    shutil.copytree(source, copied, symlinks=True)
    assert (copied / "snapshots" / "1234" / "model.safetensors").read_text() == "weights"


def test_links_to_anywhere_else_are_refused(cached: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (cached / "config.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="lead out of it") as error:
        mounted(cached)
    assert "cp -rL" in error.value.remedy
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="lead out of it"):
        mounted(folder)


def test_an_input_that_is_a_link_itself_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").write_text("x")
    (tmp_path / "link").symlink_to("there")
    assert mounted(tmp_path / "link") == tmp_path / "link"


@pytest.mark.parametrize(("where", "mode"), [("model.safetensors", 0o600), (".", 0o750), ("below", 0o744)])
def test_what_only_its_owner_may_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, where: str, mode: int
) -> None:
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    (folder / "model.safetensors").write_text("x")
    for path in (folder, *folder.iterdir()):  # whatever the umask
        path.chmod(0o755)
    must_be_readable(folder, "65532")
    (folder / where).chmod(mode)
    with pytest.raises(UserError, match="owner alone") as error:
        must_be_readable(folder, "65532")
    assert error.value.remedy == f"chmod -R a+rX {folder}"


def test_a_link_into_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir(mode=0o755)
    (tmp_path / "model" / "a").symlink_to("nowhere")
    with pytest.raises(UserError, match="cannot be read"):
        must_be_readable(tmp_path / "model", "65532")
