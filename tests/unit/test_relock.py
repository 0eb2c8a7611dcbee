"""Locks are made anew without moving what still fits."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

from harness.images.wheelhouse import Locked, parse, render
from harness.setup import relock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Each call: what pip was asked for, and what it was held to.
    Asked = list[tuple[list[str], list[str]]]

PIN = "a" * 64


def locked(**versions: str) -> tuple[Locked, ...]:
    return tuple(Locked(name, version, frozenset([PIN])) for name, version in versions.items())


def extras() -> dict[str, list[str]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ([], ["click==8.5.1", "typing_extensions==4.16.0"]),
        (["click>=8.2,<9"], ["click==8.5.1", "typing_extensions==4.16.0"]),
        (["Click[x]>=9"], ["typing_extensions==4.16.0"]),
        (["click>=8", "click<8.5"], ["typing_extensions==4.16.0"]),
        (["typing-extensions>=5", "numpy"], ["click==8.5.1"]),
    ],
)
def test_what_fits_is_kept(asked: list[str], kept: list[str]) -> None:
    assert relock.constraints(asked, locked(click="8.5.1", typing_extensions="4.16.0")) == kept


def test_a_version_before_its_release_and_a_build_of_ones_own_fit() -> None:
    assert relock.constraints(["torch==2.13.0+cpu"], locked(torch="2.13.0+cpu")) == ["torch==2.13.0+cpu"]
    assert relock.constraints(["torch>=2.13,<3"], locked(torch="2.14.0rc1")) == ["torch==2.14.0rc1"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """What pip would be asked for and held to, by each call; the answer is the requirements' own lower ends."""
    calls: Asked = []

    def resolve(requirements: list[str], *_: object, kept: tuple[Locked, ...] = (), **__: object) -> tuple[Locked, ...]:
        held = relock.constraints(requirements, kept)
        calls.append((list(requirements), held))
        versions = dict(line.split("==") for line in held)
        for each in map(Requirement, requirements):
            versions.setdefault(each.name.lower(), next(iter(each.specifier)).version)
        return locked(**versions)

    monkeypatch.setattr(relock, "LOCKS", tmp_path)
    monkeypatch.setattr(relock, "resolve", resolve)
    (tmp_path / "host.txt").write_text(render(locked(click="8.5.1", rich="13.0", numpy="2.4.6"), "Before."))
    return calls


def run(tmp_path: Path, *words: str) -> dict[str, str]:
    relock.main(list(words))
    return {pin.name: pin.version for pin in parse((tmp_path / "host.txt").read_text())}


@pytest.mark.parametrize(
    ("words", "held"),
    [
        (["host.txt"], {"click==8.5.1", "numpy==2.4.6"}),  # 13.0 is below what is asked for
        (["host.txt", "--upgrade"], set()),
        (["host.txt", "--upgrade-package", "Click"], {"numpy==2.4.6"}),
    ],
)
def test_upgrades_are_asked_for(words: list[str], held: set[str], asked: Asked, tmp_path: Path) -> None:
    pins = run(tmp_path, *words)
    assert set(asked[0][1]) == held
    assert pins["numpy"] == ("2.4.6" if "numpy==2.4.6" in held else "2.2")
    assert pins["rich"] != "13.0"


def test_one_lock_alone_is_written(asked: Asked, tmp_path: Path) -> None:
    relock.main(["build.txt"])
    assert [requirements for requirements, _ in asked] == [[relock.PIP]]
    assert {path.name for path in tmp_path.iterdir()} == {"host.txt", "build.txt"}
    assert "rich==13.0" in (tmp_path / "host.txt").read_text()


def test_all_locks_are_written_without_a_name(asked: Asked, tmp_path: Path) -> None:
    relock.main([])
    assert {path.name for path in tmp_path.iterdir()} == set(relock.NAMES)
    assert asked


@pytest.mark.usefixtures("asked")
def test_a_lock_that_there_is_not_is_no_word_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        relock.main(["hosts.txt"])
    assert "there is no lock hosts.txt" in capsys.readouterr().err


@pytest.mark.parametrize("build", [f"{relock.TORCH}+cpu", relock.TORCH])
def test_trainers_have_the_torch_of_their_lock_and_no_other(build: str, asked: Asked) -> None:
    wanted = [Requirement(each) for each in relock.train_requirements(build)]
    assert [str(each) for each in wanted if each.name == "torch"] == [build]
    assert len(wanted) >= len(extras()["train"])
    # What the host has too is at the host's version.
    assert "numpy==2.4.6" not in map(str, wanted)
    assert asked


def test_trainers_share_the_hosts_versions(asked: Asked, tmp_path: Path) -> None:
    before = (tmp_path / "host.txt").read_text()
    (tmp_path / "host.txt").write_text(before + f"accelerate==1.15.0 --hash=sha256:{PIN}\n")
    assert "accelerate==1.15.0" in relock.train_requirements(relock.TORCH)
    assert asked


LOCKED: dict[str, Callable[[], list[str]]] = {
    "host.txt": relock.host_requirements,
    "ray.txt": lambda: extras()["ray"],
    "trainer-cpu.txt": lambda: extras()["train"],
    "trainer-cuda.txt": lambda: extras()["train"],
}


@pytest.mark.parametrize("name", LOCKED)
def test_the_shipped_locks_hold_what_is_asked_for(name: str) -> None:
    text = (ROOT / "dockerfiles" / "locks" / name).read_text()
    pins = {canonicalize_name(pin.name): pin.version for pin in parse(text)}
    for each in map(Requirement, LOCKED[name]()):
        assert each.specifier.contains(pins[canonicalize_name(each.name)]), each


def test_exact_versions_are_in_the_locks_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    assert not [each for each in wanted if "==" in each]
    assert not [each for each in wanted if not Requirement(each).specifier]
