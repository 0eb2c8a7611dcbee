"""Batches that an earlier check drew are taken where they are those, whole, and drawn anew where they are not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.checks import drawn as file
from harness.checks import suite as suites
from harness.checks.drawn import Drawn, drawn
from harness.checks.reference_oracle import ReferenceOracle
from harness.checks.suite import Suite
from harness.core.domain import Domain
from harness.core.profiles import DEFAULT, load
from harness.subject import drawing
from harness.subject.drawing import BEFORE, DRAWINGS, size_of
from harness.subject.preference import PreferenceSubject
from harness.subject.realistic import realistic, well_ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.subject.drawing import Key

PROFILE = load(DEFAULT)
KEYS: tuple[Key, ...] = (
    ("realistic", 3, 8, (), "float32"),
    ("realistic", 3, 8, (("beta", 0.1), ("progress", 0.0)), "float64"),
    ("well_ordered", 2, 5, (("high", 8.0), ("low", 0.25), ("near", math.inf), ("ordinary", True)), "float64"),
    ("edges", 4, 17, (), "float32"),
)


@pytest.fixture(autouse=True)
def nothing_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own, and a process that has drawn nothing."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    forget()
    yield
    forget()


def forget() -> None:
    BEFORE.forget()
    for each in DRAWINGS.values():
        each.forget()


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, nobody may draw."""

    def never(*_: object, **__: object) -> None:
        pytest.fail("it was drawn")

    def act() -> None:
        for each in DRAWINGS.values():
            monkeypatch.setattr(each, "draw", never)

    return act


def kept() -> Drawn:
    """The batches of the keys, drawn and left for the next process, which has nothing else."""
    whole = drawn(KEYS)
    whole.keep()
    forget()
    return whole


def test_what_was_kept_is_what_is_drawn(no_drawing: Callable[[], None]) -> None:
    whole = drawn(KEYS)
    fresh = [DRAWINGS[key[0]].of(key) for key in KEYS]
    whole.keep()
    forget()
    no_drawing()
    assert whole.read()
    again = [
        realistic(3, 8),
        realistic(3, 8, progress=0.0, beta=0.1, dtype=np.float64),
        well_ordered(2, 5, low=0.25, high=8.0, near=math.inf, ordinary=True, dtype=np.float64),
        DRAWINGS["edges"](4, 17, domain=Domain()),
    ]
    for one, other in zip(fresh, again, strict=True):
        assert (one.raw, one.scalars, one.dtype, one.sizes) == (other.raw, other.scalars, other.dtype, other.sizes)
        assert [type(number) for number in other.scalars] == [float, float]
        with pytest.raises(ValueError, match="read-only"):
            other.policy_chosen[0] = 0.0
    assert sum(map(size_of, KEYS)) == whole.path.stat().st_size


def in_its_place(path: Path, other: Callable[[Path], object]) -> None:
    """Move a file away, and have something else take its place."""
    path.rename(path.with_name("there"))
    other(path)


SPOILT: dict[str, Callable[[Path], object]] = {
    "a byte": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "the last byte": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 128])),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-8]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"0"),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: in_its_place(path, Path.mkdir),
    "a link": lambda path: in_its_place(path, lambda path: path.symlink_to(path.with_name("there"))),
}


@pytest.mark.parametrize("how", SPOILT)
def test_one_that_is_spoilt_is_not_taken(how: str) -> None:
    whole = kept()
    SPOILT[how](whole.path)
    assert not whole.read()
    assert all(BEFORE.get(key) is None for key in KEYS)


@pytest.mark.parametrize("how", ["a byte", "cut", "gone"])
def test_it_is_written_anew(how: str) -> None:
    whole = kept()
    SPOILT[how](whole.path)
    drawn(KEYS).keep()
    forget()
    assert whole.read()


def test_a_host_that_draws_other_digits_keeps_nothing_and_does_not_try_again(no_drawing: Callable[[], None]) -> None:
    drawn(KEYS)
    others = Drawn(KEYS, "0" * 64)
    others.keep()
    assert not others.path.stat().st_size
    assert not others.read()
    written = others.path.stat().st_mtime_ns
    no_drawing()
    others.keep()
    assert others.path.stat().st_mtime_ns == written


def test_who_has_drawn_a_part_keeps_nothing(no_drawing: Callable[[], None]) -> None:
    whole = drawn(KEYS)
    forget()
    realistic(3, 8)
    no_drawing()
    whole.keep()
    assert not whole.path.exists()


def test_another_domain_is_drawn() -> None:
    whole = kept()
    assert whole.read()
    narrow = realistic(3, 8, domain=Domain(0.1, 0.3, 6.0))
    assert narrow.beta != realistic(3, 8).beta
    assert list(DRAWINGS["realistic"].usual) == [KEYS[0]]


def test_no_home_and_no_room_are_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    whole = drawn(KEYS)
    whole.keep()
    assert not whole.read()
    monkeypatch.setattr(file, "cache_dir", no_home)
    whole.keep()
    assert not whole.read()


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_few_files_are_kept() -> None:
    for seed in range(2 * file._FILES):
        drawn((("realistic", seed, 4, (), "float32"),)).keep()
    assert len(list(drawn(KEYS).path.parent.iterdir())) == file._FILES
    assert drawn((("realistic", 2 * file._FILES - 1, 4, (), "float32"),)).read()


def test_a_function_does_not_keep_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_KEPT", 5)
    first = realistic(0, 3).raw
    for seed in range(12):
        realistic(seed, 3)
    assert len(realistic._kept) <= 5
    assert len(realistic.usual) <= 5
    assert realistic(0, 3).raw == first


def test_a_check_draws_nothing_that_one_before_it_drew(
    monkeypatch: pytest.MonkeyPatch, no_drawing: Callable[[], None]
) -> None:
    def check() -> None:
        monkeypatch.setattr(suites, "_KNOWN", {})
        monkeypatch.setattr(suites, "_TO_KEEP", {})
        suite = Suite(PROFILE, 0)
        suite.know()
        assert suite.replayed(PreferenceSubject(ReferenceOracle(gpu=False), PROFILE.domain)) is not None
        suite.keep()

    check()
    forget()
    no_drawing()
    check()


def test_what_is_said_by_name_is_drawn_all_the_same() -> None:
    assert realistic(seed=3, pairs=8).raw == realistic(3, 8).raw
    assert [*realistic.usual] == [KEYS[0]]
