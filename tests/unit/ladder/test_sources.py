"""What evaluations and tunings are a function of: a byte of it makes another digest, and a byte elsewhere none."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ledger_samples import claim, submit

from harness.core.errors import InfrastructureError
from harness.core.sources import project_root
from harness.ladder import climb, rungs
from harness.ladder.baselines import Baselines
from harness.ladder.ladder import load, names
from harness.ladder.rungs import GATED, VERDICTS, code_of, evaluation_digest
from harness.ladder.tuning import tuning_digest
from harness.ledger.records import Score
from harness.training import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.ladder.context import Progress
    from harness.ledger import Ledger

IMAGE = "sha256:1"
#: For each kind of rung, files of every kind that shape what it comes to.
SHAPING = {
    "screen": (
        "harness/screen/policy.py",
        "harness/core/contract.py",
        "harness/core/program.py",
        "harness/screen/rules.py",
        "harness/sandbox/allowlist.py",
    ),
    "properties": (
        "harness/property_tests/preference/test_gradient.py",
        "harness/property_tests/classification/test_start.py",
        "harness/checks/suite.py",
        "harness/checks/replay.py",
        "harness/subject/facts.py",
        "harness/core/profiles/2026.1.toml",
        "harness/protocol/wire.py",
        "harness/sandbox/worker.py",
    ),
    "bandit": (
        "harness/ladder/bandit.py",
        "harness/ladder/gate.py",
        "harness/ladder/evidence.py",
        "harness/core/errors.py",
        "harness/checks/bench.py",
        "harness/checks/checker.py",
        "harness/containers/request.py",
        "harness/core/limits.py",
        "harness/protocol/batch.py",
        "harness/core/profiles/2026.2.toml",
        "harness/dockerfiles/seccomp.json",
        "harness/ladder/measuring.py",
        "harness/losses/dpo.py",
        "harness/subject/subject.py",
        "harness/subject/by_contract.py",
        "harness/subject/preference.py",
        "harness/oracle/oracle.py",
        "harness/screen/front.py",
        "harness/screen/process.py",
        "harness/sandbox/wire.py",
    ),
    "control": ("harness/trainer/control/rollout.py", "harness/protocol/job.py", "harness/trainer/torch.py"),
    "reviews": (
        "harness/trainer/reviews/texts.py",
        "harness/trainer/reviews/embedded.py",
        "harness/trainer/checkpoint.py",
        "harness/training/rung.py",
        "harness/training/serving.py",
        "harness/losses/dpo.py",
    ),
    "iterate": ("harness/trainer/iterate/rounds.py", "harness/trainer/reviews/embedded.py", "harness/training/rung.py"),
    "finetune": ("harness/trainer/finetune/asking.py", "harness/trainer/hub.py", "harness/protocol/spotcheck.py"),
    "images": (
        "harness/trainer/images/fit.py",
        "harness/trainer/images/cifar.py",
        "harness/ladder/evidence.py",
    ),
    "tuning": (
        "harness/ladder/tuning.py",
        "harness/ladder/evaluations.py",
        "harness/ladder/profiles/bandit-2026.1.toml",
    ),
}
#: Files that shape nothing: what is shown, and the other rungs.
UNRELATED = {
    "bandit": (
        "harness/cli/run.py",
        "harness/report/html.py",
        "harness/trainer/reviews/texts.py",
        "harness/losses/ipo.py",
    ),
    "reviews": (
        "harness/ladder/bandit.py",
        "harness/trainer/control/rollout.py",
        "harness/property_tests/preference/test_gradient.py",
    ),
    "properties": ("harness/ladder/gate.py", "harness/report/text.py", "harness/ledger/queue.py"),
    "screen": ("harness/property_tests/preference/test_gradient.py", "harness/sandbox/worker.py"),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    # What is a link there is a folder in the copy, as where the package is installed.
    shutil.copytree(project_root() / "harness", root / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def project(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """What changes a byte of a file until the test is over; all digests are of a copy."""
    for module in (rungs, process):
        monkeypatch.setattr(module, "project_root", lambda: copied)
    rungs._code_of.cache_clear()

    changed: dict[str, bytes] = {}

    def change(name: str) -> None:
        rungs._code_of.cache_clear()
        before = (copied / name).read_bytes()
        changed.setdefault(name, before)
        (copied / name).write_bytes(before[:-1] + b"#")

    yield change
    for name, before in changed.items():
        (copied / name).write_bytes(before)
    rungs._code_of.cache_clear()


def test_every_kind_of_rung_has_its_sources() -> None:
    assert set(SHAPING) == {*VERDICTS, *GATED, rungs.TUNING}
    digests = {code_of(kind, "dpo") for kind in SHAPING}
    assert len(digests) == len(SHAPING)
    for name in names():
        for plan in load(name).rungs:
            assert code_of(plan.kind, plan.baseline)


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, several in SHAPING.items() for n in several])
def test_a_byte_that_shapes_a_result_makes_another_digest(project: Callable[[str], None], kind: str, name: str) -> None:
    before = code_of(kind, "dpo")
    project(name)
    assert code_of(kind, "dpo") != before


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, several in UNRELATED.items() for n in several])
def test_a_byte_elsewhere_makes_none(project: Callable[[str], None], kind: str, name: str) -> None:
    before = code_of(kind, "dpo")
    project(name)
    assert code_of(kind, "dpo") == before


def test_a_file_that_is_new_or_gone_is_noticed(copied: Path, project: Callable[[str], None]) -> None:
    del project
    before = code_of("reviews", "dpo")
    (copied / "harness/trainer/reviews/more.json").write_text("{}")
    rungs._code_of.cache_clear()
    assert code_of("reviews", "dpo") != before
    (copied / "harness/trainer/reviews/more.json").unlink()
    (copied / "harness/trainer/reviews/__pycache__").mkdir()
    (copied / "harness/trainer/reviews/__pycache__/texts.pyc").write_bytes(b"x")
    (copied / "harness/trainer/reviews/.texts.py.swp").write_bytes(b"x")
    rungs._code_of.cache_clear()
    assert code_of("reviews", "dpo") == before
    (copied / "harness/ladder/bandit.py").rename(copied / "harness/ladder/bandit.gone")
    rungs._code_of.cache_clear()
    with pytest.raises(InfrastructureError, match="missing"):
        code_of("bandit", "dpo")
    (copied / "harness/ladder/bandit.gone").rename(copied / "harness/ladder/bandit.py")


def test_the_version_of_a_package_is_noticed(project: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    del project
    before = {kind: code_of(kind) for kind in SHAPING}
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0" if name == "numpy" else version(name))
    rungs._code_of.cache_clear()
    assert {kind for kind, digest in before.items() if code_of(kind) == digest} == {"screen"}


def test_the_code_is_read_once_in_a_process(project: Callable[[str], None], copied: Path) -> None:
    """A worker runs the code that it has loaded, whatever is in the files by now."""
    del project
    before = code_of("bandit")
    text = (copied / "harness/ladder/bandit.py").read_bytes()
    (copied / "harness/ladder/bandit.py").write_bytes(text + b"#")
    assert code_of("bandit") == before
    (copied / "harness/ladder/bandit.py").write_bytes(text)


def test_a_kept_baseline_of_other_code_is_not_used(project: Callable[[str], None], tmp_path: Path) -> None:
    ladder = load("bandit")
    plan = ladder.rungs[2]
    measured: list[int] = []

    def measure(_: object, __: object, seed: int) -> dict[str, float]:
        measured.append(seed)
        return {"score": float(len(measured))}

    def kept() -> Baselines:
        return Baselines(tmp_path, measure)

    first = evaluation_digest(ladder, plan, IMAGE)
    assert not kept().outdated(plan, first)
    assert kept().scores(plan, first, 0) == kept().scores(plan, first, 0) == {"score": 1.0}
    assert not kept().outdated(plan, first)
    project("harness/report/html.py")
    assert evaluation_digest(ladder, plan, IMAGE) == first
    for number, name in enumerate(("harness/ladder/bandit.py", "harness/losses/dpo.py", "harness/ladder/gate.py")):
        project(name)
        evaluation = evaluation_digest(ladder, plan, IMAGE)
        assert kept().outdated(plan, evaluation)
        assert not kept().outdated(replace(plan, name="another"), evaluation), "another rung was not measured before"
        assert kept().scores(plan, evaluation, 0) == {"score": number + 2.0}
        assert not kept().outdated(plan, evaluation)
    assert measured == [0, 0, 0, 0]


def test_what_a_version_kept_that_told_no_rungs_is_outdated(tmp_path: Path) -> None:
    ladder = load("bandit")
    (tmp_path / f"{'e' * 32}-0.json").write_text('{"score": 1.0}')
    assert Baselines(tmp_path, lambda *_: {}).outdated(ladder.rungs[2], "f" * 64)


def test_a_tuning_knows_its_code(project: Callable[[str], None]) -> None:
    ladder = load("bandit")
    found = {tuning_digest(ladder, IMAGE, "x 1")}
    for name in ("harness/ladder/bandit.py", "harness/ladder/tuning.py", "harness/sandbox/worker.py"):
        project(name)
        found.add(tuning_digest(ladder, IMAGE, "x 1"))
    project("harness/cli/show.py")
    found.add(tuning_digest(ladder, IMAGE, "x 1"))
    assert len(found) == 4


def test_trainings_in_a_process_know_what_an_image_would_hold(project: Callable[[str], None]) -> None:
    before = process.Processes().identity
    for name in ("harness/trainer/reviews/texts.py", "harness/protocol/rules.py", "harness/sandbox/wire.py"):
        project(name)
        after = process.Processes().identity
        assert after != before
        before = after
    project("harness/cli/run.py")
    assert process.Processes().identity == before


def test_seeds_that_other_code_measured_are_measured_again(ledger: Ledger) -> None:
    plan = load("bandit").rungs[2]
    (run,) = submit(ledger)
    told: list[Progress] = []
    context: Any = SimpleNamespace(ledger=ledger, watch=told.append)

    def attempt(evaluation: str, *seeds: int) -> dict[int, dict[str, float]]:
        held = claim(ledger)
        known = climb._known(context, held, plan, evaluation, evaluation)
        ledger.attach(held, plan.name, f"curve-{len(known)}.json", b"[]")
        ledger.save_scores(held, plan.name, [Score(seed, "score", 0.5) for seed in seeds])
        ledger.release(held)
        return known

    assert attempt("a", 0, 1) == {}
    assert set(attempt("a", 2)) == {0, 1}
    assert not told
    assert attempt("b", 0) == {}
    assert [t.told for t in told] == ["its seeds are measured again: code, image or data are no longer what they were"]
    assert [a.name for a in ledger.attachments(run)] == ["curve-0.json"]
    assert set(attempt("b", 1)) == {0}
    assert attempt("a") == {}
    assert attempt("a") == {}
    assert len(told) == 2
    assert [e.detail["rung"] for e in ledger.events(run) if e.kind == "measured-again"] == ["bandit", "bandit"]


def test_seeds_of_a_version_that_told_no_evaluation_are_measured_again(ledger: Ledger) -> None:
    plan = load("bandit").rungs[2]
    submit(ledger)
    held = claim(ledger)
    ledger.save_scores(held, plan.name, [Score(0, "score", 0.5)])
    context: Any = SimpleNamespace(ledger=ledger, watch=lambda _: None)
    assert climb._known(context, held, plan, "a", "a") == {}
    assert ledger.scores(held.run.id) == {}
