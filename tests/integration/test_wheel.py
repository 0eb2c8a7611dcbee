"""The wheel: what is in it, and that it judges where there is no checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

from harness.core.version import __version__
from harness.images.inputs import VARIANTS, inputs_for
from harness.images.wheelhouse import parse, render

pytestmark = pytest.mark.rest

DIST = f"preference_loss_harness-{__version__}.dist-info/"
#: Folders of the checkout that are linked into the package, and are no packages of their own in a wheel.
LINKED = ("sandbox", "property_tests", "trainer", "dockerfiles")
PROGRAM = """
import json, sys
import harness
from harness.checks.bank import kept
from harness.core import profiles
from harness.images.inputs import inputs_for
from harness.images.inputs import VARIANTS
print(json.dumps({
    "at": harness.__file__,
    "version": harness.__version__,
    "path": sys.path,
    "images": {variant: inputs_for(variant).digest("a base") for variant in VARIANTS},
    "bank": kept(profiles.load(profiles.DEFAULT), 0) is not None,
    "interface": [callable(each) for each in (harness.check, harness.submit, harness.Ledger)],
}))
"""


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and os.path.lexists(ROOT / name)]


def run(command: list[object], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run something that is to work, in an environment that knows no checkout and no Python."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "HARNESS_LEDGER"))}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked files, links as links."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    build = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    run([sys.executable, "-m", *build, f"--wheel-dir={folder}", source], folder)
    (made,) = folder.glob("*.whl")
    shutil.rmtree(source)
    return made


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """An environment's Python with the wheel, and what it needs by the lock; without what only developers need."""
    folder = wheel.parent
    run([sys.executable, "-m", "venv", folder / "env"], folder)
    python = folder / "env" / "bin" / "python"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    developers = {canonicalize_name(Requirement(each).name) for each in extras["dev"]} - {"packaging"}
    pins = parse((ROOT / "dockerfiles" / "locks" / "host.txt").read_text("utf-8"))
    lock = folder / "lock.txt"
    lock.write_text(
        render(tuple(pin for pin in pins if canonicalize_name(pin.name) not in developers), "For the wheel.")
    )
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "--only-binary=:all:", "-r", lock], folder)
    run([*pip, "--no-index", wheel], folder)
    return python


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_everything_lies_in_the_package(wheel: Path) -> None:
    outside = {name for name in names(wheel) if not name.startswith(("harness/", DIST))}
    assert not outside
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"{DIST}top_level.txt").decode().split() == ["harness"]


def test_it_has_what_the_checkout_has(wheel: Path) -> None:
    inside = {f"harness/{name}" for name in tracked() if name.startswith(tuple(f"{each}/" for each in LINKED))}
    inside |= {name for name in tracked() if name.startswith("harness/") and not (ROOT / name).is_symlink()}
    assert len(inside) > 400
    assert {name for name in names(wheel) if name.startswith("harness/")} == inside


@pytest.mark.parametrize(
    "pattern",
    [
        r"harness/core/profiles/2026\.2\.toml",
        r"harness/ladder/profiles/bandit-.*\.toml",
        r"harness/checks/banks/.*\.json\.gz",
        r"harness/report/schema/.*\.json",
        r"harness/report/html\.py",
        r"harness/dockerfiles/locks/host\.txt",
        r"harness/dockerfiles/locks/sandbox-cuda\.txt",
        r"harness/dockerfiles/(sandbox|trainer)\.Dockerfile",
        r"harness/dockerfiles/stages/harden\.py",
        r"harness/dockerfiles/base\.lock",
        r"harness/dockerfiles/seccomp(-cuda)?\.json",
        r"harness/losses/dpo\.py",
        r"harness/property_tests/preference/test_direction\.py",
        r"harness/sandbox/server\.py",
        rf"{re.escape(DIST)}licenses/LICENSE",
    ],
)
def test_what_it_needs_is_in_it(pattern: str, wheel: Path) -> None:
    assert any(re.fullmatch(pattern, name) for name in names(wheel))


def test_its_version_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        told = archive.read(f"{DIST}METADATA").decode()
    assert f"\nVersion: {__version__}\n" in told
    assert "\nLicense-Expression: Apache-2.0\n" in told


def test_what_it_asks_for_is_what_the_lock_has(python: Path, tmp_path: Path) -> None:
    run([python, "-m", "pip", "check", "--disable-pip-version-check"], tmp_path)


def test_it_is_imported_from_another_folder(python: Path, tmp_path: Path) -> None:
    told = json.loads(run([python, "-c", PROGRAM], tmp_path).stdout)
    assert Path(told["at"]).is_relative_to(python.parents[1])
    assert told["version"] == __version__
    assert not [path for path in told["path"] if path and Path(path).is_relative_to(ROOT)]
    assert told["bank"], "its examples would be drawn anew in every check"
    assert told["interface"] == [True, True, True]
    # Its images are the checkout's: the same files go into them, under the same names.
    assert told["images"] == {variant: inputs_for(variant).digest("a base") for variant in VARIANTS}


def test_the_command_tells_its_rules(python: Path, tmp_path: Path) -> None:
    told = run([python.with_name("harness"), "rules"], tmp_path).stdout
    for rule in ("S101", "W201", "P308"):
        assert rule in told


def test_the_set_up_is_the_checkouts(python: Path, tmp_path: Path) -> None:
    """It would fill site-packages with an environment."""
    before = sorted(python.parents[1].rglob("*"))
    done = subprocess.run([python, "-m", "harness.setup"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "harness image build" in done.stderr
    assert sorted(python.parents[1].rglob("*")) == before


@pytest.mark.container
def test_it_judges_in_an_image_that_it_builds(python: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "dpo.py", tmp_path / "loss.py")
    command = python.with_name("harness")
    built = json.loads(run([command, "image", "build", "--json"], tmp_path).stdout)
    ours = json.loads(run([sys.executable, "-m", "harness", "image", "build", "--json"], tmp_path).stdout)
    assert built["tag"] == ours["tag"]
    run([command, "check", "loss.py", "--report", "json=report.json"], tmp_path)
    (result,) = json.loads((tmp_path / "report.json").read_text("utf-8"))["results"]
    assert result["verdict"] == "accepted"


def test_a_broken_loss_is_refused_by_its_text(python: Path, tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("import os\n\n\ndef loss(*_):\n    os.abort()\n")
    command = [str(python.with_name("harness")), "check", "--static", "random.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
