"""The question bank that ships is what Hypothesis draws today, and is used only where it is that, whole."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from judging import DPO, Answering
from tiers import soon

from harness import property_tests
from harness.checks import bank, properties
from harness.checks import suite as suites
from harness.checks.drawn import drawn as drawn_today
from harness.checks.properties import Properties
from harness.checks.reference_oracle import ReferenceOracle
from harness.checks.suite import Suite
from harness.core.profiles import DEFAULT, load, names
from harness.property_tests.configure import seed_of
from harness.protocol.batch import Batch
from harness.subject.preference import PreferenceSubject

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILE = load(DEFAULT)
SEEDS = Path(property_tests.__file__).with_name("seeds.json")
SHAPE = "test_shape_fits_every_batch_size"


def plain(examples: bank.Examples) -> dict[str, list[dict[str, Any]]]:
    """Examples as they compare."""

    def of(value: Any) -> Any:
        return (value.raw, value.scalars, value.dtype) if isinstance(value, Batch) else value

    return {name: [{k: of(v) for k, v in each.items()} for each in one] for name, one in examples.items()}


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bank that may be spoilt, and a process that knows nothing."""
    path = tmp_path / "bank.json.gz"
    path.write_bytes(bank.path_of(PROFILE).read_bytes())
    monkeypatch.setattr(bank, "path_of", lambda *_: path)
    monkeypatch.setattr(suites, "_KNOWN", {})
    return path


@pytest.mark.parametrize("name", soon(sorted(names(), key=lambda name: name != DEFAULT), 1))
def test_it_is_what_is_drawn_today(name: str) -> None:
    """Where this fails after a change of the properties: `python -m harness.checks.draw_bank`."""
    profile = load(name)
    whole, suite = bank.kept(profile, 0), Suite(profile, 0)
    assert whole is not None
    kept, drawn = plain(whole.examples), plain(suite.drawn())
    assert whole.drawn == drawn_today(suite.draws())
    assert list(kept) == sorted(drawn)
    for each, examples in drawn.items():
        assert kept[each] == examples, each
    assert sum(map(len, drawn.values())) > 300


def test_the_text_of_a_property_decides_nothing_about_its_examples() -> None:
    """Its seed is that of its file and name, kept for those that were drawn before this was so."""
    known = seed_of("preference/test_shape.py::test_shape_fits_every_batch_size")
    assert known == int("0x" + json.loads(SEEDS.read_text("utf-8"))["preference/test_shape.py::" + SHAPE], 16)
    fresh = seed_of("lists/test_shape.py::" + SHAPE)
    assert fresh == int(hashlib.sha384(b"lists/test_shape.py::" + SHAPE.encode()).hexdigest(), 16)
    assert fresh != known


def test_every_kept_seed_is_a_propertys() -> None:
    all_ = {each.name.partition("/")[2] for name in names() for each in Properties(load(name), 0).all}
    assert set(json.loads(SEEDS.read_text("utf-8"))) <= all_


@pytest.mark.rest
def test_who_knows_it_asks_what_hypothesis_asks(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same questions to the byte, with the bank and without it."""
    del elsewhere
    asked: list[list[bytes]] = []

    class Heard(Answering):
        def ask(self, batches: Any, **_: object) -> Any:
            heard.extend(b.raw for b in batches)
            answers = super().ask(batches)
            return [replace(a, echo=b.tensors) for a, b in zip(answers, batches, strict=True)]

        def fresh(self) -> None:
            pass

    for known in (True, False):
        heard: list[bytes] = []
        if not known:
            monkeypatch.setattr(suites, "_KNOWN", {})
            monkeypatch.setattr(suites, "kept", lambda *_: None)
        suite = Suite(PROFILE, 0)
        suite.know()
        assert suite.replayed(PreferenceSubject(Heard(DPO), PROFILE.domain)) is not None
        asked.append(sorted(heard))
    assert asked[0] == asked[1]
    assert len(asked[0]) > 5000


def changed(key: str, value: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        return gzip.compress(json.dumps({**json.loads(gzip.decompress(data)), key: value}).encode())

    return change


def fewer(data: bytes) -> bytes:
    """A bank with fewer examples, under the digest of the whole one."""
    document = json.loads(gzip.decompress(data))
    whole = json.loads(document["bank"])
    examples = {name: one[:1] for name, one in whole["examples"].items()}
    return gzip.compress(json.dumps({**document, "bank": json.dumps({**whole, "examples": examples})}).encode())


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "a byte": lambda data: data[:1000] + bytes([data[1000] ^ 1]) + data[1001:],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "no JSON": lambda _: gzip.compress(b"{"),
    "a list": lambda _: gzip.compress(b"[]"),
    "of other properties": changed("made_of", "0" * 64),
    "no examples": changed("bank", "{}"),
    "fewer examples": fewer,
    "two of them": lambda data: data + gzip.compress(b" "),
    "more than the cap": lambda data: gzip.compress(gzip.decompress(data) + b" " * bank._CAP),
}


@pytest.mark.parametrize("how", SPOILT)
def test_one_that_is_spoilt_is_none(elsewhere: Path, how: str) -> None:
    elsewhere.write_bytes(SPOILT[how](elsewhere.read_bytes()))
    assert bank.kept(PROFILE, 0) is None


def test_few_bytes_that_stand_for_many_are_not_unpacked(elsewhere: Path) -> None:
    elsewhere.write_bytes(gzip.compress(b" " * (8 * bank._CAP), 1))
    tracemalloc.start()
    assert bank.kept(PROFILE, 0) is None
    assert tracemalloc.get_traced_memory()[1] < 3 * bank._CAP
    tracemalloc.stop()


@pytest.mark.rest
def test_one_that_is_gone_is_none_and_they_are_drawn(elsewhere: Path) -> None:
    elsewhere.unlink()
    assert bank.kept(PROFILE, 0) is None

    suite = Suite(PROFILE, 0)
    suite.know()
    assert suite._replay.complete
    assert len(suite._replay.examples()) == len(suite._items)


def test_it_is_for_one_profile_one_seed_and_these_versions(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del elsewhere
    assert bank.kept(PROFILE, 0) is not None
    assert bank.kept(PROFILE, 1) is None
    assert bank.kept(replace(PROFILE, digest="0" * 64), 0) is None
    monkeypatch.setattr("harness.checks.bank.importlib.metadata.version", lambda _: "0")
    assert bank.kept(PROFILE, 0) is None


def test_an_edited_property_makes_it_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bank.made_of(PROFILE, 0)
    for pattern in bank._SOURCES:
        for path in bank._ROOT.glob(pattern.format(contract=PROFILE.contract)):
            copy = tmp_path / path.relative_to(bank._ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(bank, "_ROOT", tmp_path)
    assert bank.made_of(PROFILE, 0) == before
    with (tmp_path / "harness/property_tests/common/timing.py").open("a") as file:
        file.write("# edited, and it draws nothing\n")
    assert bank.made_of(PROFILE, 0) == before
    with (tmp_path / "harness/property_tests/preference/strategies.py").open("a") as file:
        file.write("# edited\n")
    assert bank.made_of(PROFILE, 0) != before


def test_a_bank_for_another_suite_is_not_taken() -> None:
    suite = Suite(PROFILE, 0)
    replay = suite._replay
    kept = bank.kept(PROFILE, 0)
    assert kept is not None
    assert not replay.know(dict(list(kept.examples.items())[1:]))
    assert not replay.complete


def test_what_it_cannot_keep_it_refuses() -> None:
    with pytest.raises(TypeError, match="does not know how to keep"):
        bank._plain(np.zeros(3))


def test_what_was_drawn_before_in_this_process_decides_nothing() -> None:
    """A first use of Hypothesis by somebody else, whose modules' constants it would go on drawing from."""
    program = (
        "from hypothesis import given, strategies as st\n"
        "given(st.integers(0, 255))(lambda n: None)()\n"
        "from harness.checks import bank\n"
        "from harness.checks.suite import Suite\n"
        "from harness.core.profiles import load\n"
        "profile = load('2026.1')\n"
        "drawn = Suite(profile, 0).drawn()\n"
        "packed = lambda all: {name: [bank._packed(each) for each in one] for name, one in all.items()}\n"
        "assert packed(drawn) == packed(bank.kept(profile, 0).examples)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=bank._ROOT)
    assert not done.returncode, done.stderr


def test_examples_that_are_known_are_asked_without_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of how it is driven is used: neither its settings, nor its seeds, nor what it has no switch for."""
    monkeypatch.setattr(suites, "_KNOWN", {})
    for name in ("settle", "draw", "seeded"):
        monkeypatch.setattr(properties, name, lambda *_, name=name: pytest.fail(name))
    suite = Suite(PROFILE, 0)
    suite.know()
    assert suite.replayed(PreferenceSubject(ReferenceOracle(gpu=False), PROFILE.domain)) is not None
