"""Nobody is accepted while a rule has no outcome, whatever took it away."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from judging import DPO, of_margin, subject

import property_tests
from harness.errors import CandidateFault, InfrastructureError, UserError
from harness.judge import judging, session
from harness.judge.judging import _facts, _placed
from harness.judge.session import Outcome, Suite, run_session
from harness.judge.settings import Setting
from harness.profiles import DEFAULT, DEFAULTS, load, names
from harness.rules import find_rule
from harness.verdict import Accepted, Location, Rejected, Severity, Undecided, decide, refused
from property_tests import test_gradient, test_zero
from property_tests.editions import belongs

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.oracle.batch import Answer, Batch
    from harness.profiles import Profile
    from harness.rules import Rule

SMALL = replace(load(DEFAULT), properties=("P304", "P306"), examples=3)
GRADIENT = [n for n, t in vars(test_gradient).items() if n.startswith("test_") and belongs(t, SMALL.edition)]


def seen(profile: Profile = SMALL, function: Callable[[Batch], Answer] = DPO) -> list[Outcome]:
    """The outcome of one that is called, and of the next, which is rehearsed."""
    out: list[Outcome] = []

    def body(suite: Suite) -> None:
        out.append(suite(subject(function)))
        if (rehearsed := suite.rehearsed(subject(function))) is not None:
            out.append(rehearsed)

    run_session(body, profile, 0)
    return out


def unanswered(outcome: Outcome) -> str:
    return "; ".join(outcome.unanswered(dict(SMALL.not_run)))


def rule(name: str) -> Rule:
    found = find_rule(name)
    assert found is not None
    return found


SURROUNDINGS = {
    "options": {"PYTEST_ADDOPTS": "-k nothing"},
    "marks": {"PYTEST_ADDOPTS": "-m slow"},
    "collection alone": {"PYTEST_ADDOPTS": "--collect-only"},
    "one file": {"PYTEST_ADDOPTS": "--deselect property_tests/test_zero.py"},
    "an option that there is none of": {"PYTEST_ADDOPTS": "--no-such-option"},
    "plugins": {"PYTEST_PLUGINS": "no_such_plugin"},
    "no plugins": {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    "themes": {"PYTEST_THEME": "no-such-theme", "PYTEST_THEME_MODE": "x", "PY_COLORS": "1"},
    "places": {"PYTEST_DEBUG_TEMPROOT": "/no/such/folder", "PY_IGNORE_IMPORTMISMATCH": "1"},
    "Hypothesis": {"HYPOTHESIS_PROFILE": "ci", "HYPOTHESIS_VERBOSITY_LEVEL": "debug", "CI": "true"},
}
FILES = {
    "pytest.ini": "[pytest]\naddopts = -k nothing\npython_functions = no\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k nothing'\n[tool.hypothesis]\nmax_examples = 1\n",
    "tox.ini": "[pytest]\naddopts = -k nothing\n",
    "conftest.py": "raise SystemExit('the conftest of the folder was read')\n",
    "property_tests/test_zero.py": "raise SystemExit('the folder was searched')\n",
    ".hypothesis/examples/x": "x",
}


@pytest.mark.parametrize("named", SURROUNDINGS)
def test_the_environment_takes_no_test_away(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _collected()
    for name, value in SURROUNDINGS[named].items():
        monkeypatch.setenv(name, value)
    assert _collected() == plain
    assert {name: os.environ.get(name) for name in SURROUNDINGS[named]} == SURROUNDINGS[named]


def test_the_folder_takes_no_test_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _collected()
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert _collected() == plain


def _collected() -> set[str]:
    """The tests that are collected, in a session whose body sees the environment as it is."""
    found: set[str] = set()
    before = dict(os.environ)

    def body(suite: Suite) -> None:
        assert {k: v for k, v in os.environ.items() if k != "PYTEST_VERSION"} == {
            k: v for k, v in before.items() if k != "PYTEST_VERSION"
        }
        assert suite._absent == {}
        found.update(item.name for item in suite._items)

    run_session(body, load(DEFAULT), 0)
    assert len(found) > 18
    return found


def test_no_plugin_that_is_installed_is_loaded(tmp_path: Path) -> None:
    """Entry points of both: pytest's and those that Hypothesis loads as it is imported."""
    (tmp_path / "planted.py").write_text("raise SystemExit('a plugin was loaded')\n")
    about = tmp_path / "planted-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[pytest11]\na = planted\n[hypothesis]\nb = planted\n")
    program = (
        "from harness.judge.session import run_session; from harness.profiles import load, DEFAULT\n"
        "run_session(lambda suite: print(len(suite._items), suite._absent), load(DEFAULT), 0)"
    )
    root = Path(property_tests.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" {}\n")
    # And it would have been: the trap works.
    trap = "import hypothesis"
    caught = subprocess.run([sys.executable, "-c", trap], env=environment, capture_output=True, check=False)
    assert b"a plugin was loaded" in caught.stderr


def test_a_suite_that_lies_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(property_tests, "__file__", str(tmp_path / "property_tests" / "__init__.py"))
    with pytest.raises(InfrastructureError, match="belongs in"):
        run_session(lambda _: None, SMALL, 0)


def test_all_is_answered() -> None:
    called, rehearsed = seen()
    assert called.properties == rehearsed.properties == {"P304": "passed", "P306": "passed"}
    assert unanswered(called) == unanswered(rehearsed) == ""
    assert called.seconds.keys() == rehearsed.seconds.keys() == {"P304", "P306"}
    assert all(seconds > 0.0 for seconds in called.seconds.values())


@pytest.mark.parametrize("lost", GRADIENT)
def test_a_rule_of_which_one_test_is_missing(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vars(test_gradient)[lost], "__test__", False, raising=False)
    for outcome in seen():
        assert outcome.properties == {"P304": "passed", "P306": "not-run"}
        assert unanswered(outcome) == f"P306 (not collected: {lost})"


def test_a_rule_without_any_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GRADIENT:
        monkeypatch.setattr(vars(test_gradient)[name], "__test__", False, raising=False)
    assert [unanswered(o) for o in seen()] == [f"P306 (not collected: {', '.join(GRADIENT)})"] * 2


def test_a_rule_that_there_is_none_of() -> None:
    for outcome in seen(replace(SMALL, properties=("P304", "P399"))):
        assert unanswered(outcome) == "P399 (there is no such rule)"


def test_a_rule_without_a_test_in_this_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GRADIENT:
        monkeypatch.setitem(vars(vars(test_gradient)[name]), "_until", "2020.1")
    assert [unanswered(o) for o in seen()] == ["P306 (it has no test in this edition)"] * 2


def test_a_rule_that_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a strategy has nothing left to draw, and the test ends without an example."""
    monkeypatch.setattr(session, "runtestprotocol", _leaving_out(GRADIENT[0]))
    (outcome,) = seen()
    assert unanswered(outcome) == "P306 (it asked nothing)"


def _leaving_out(name: str) -> Callable[..., Any]:
    from _pytest.runner import runtestprotocol

    def run(item: pytest.Item, **more: Any) -> Any:
        return [] if item.name == name else runtestprotocol(item, **more)

    return run


def test_a_test_that_skips_itself_at_some_input() -> None:
    """In the middle of a test, and in the rehearsal: for a reason that no profile knows."""
    skipping = False

    def answer(batch: Batch) -> Answer:
        if skipping and batch.policy_chosen.dtype == np.float64:
            pytest.skip("not for this input")
        return DPO(batch)  # type: ignore[return-value]

    def body(suite: Suite) -> None:
        nonlocal skipping
        suite(subject(DPO))
        skipping = True
        for outcome in (suite.rehearsed(subject(answer)), suite(subject(answer))):
            assert outcome is not None
            assert "P306 (not for this input)" in unanswered(outcome)

    run_session(body, SMALL, 0)


def test_the_reason_that_a_profile_allows_is_no_other() -> None:
    allowed = {"P316": "no GPU on this host"}
    assert [dict(load(name).not_run) for name in names() if load(name).contract == "preference"] == [allowed] * 2
    outcome = Outcome()
    outcome.went("P316", "not-run", "no GPU on this host")
    assert outcome.unanswered(allowed) == []
    assert outcome.unanswered({}) == ["P316 (no GPU on this host)"]
    outcome = Outcome()
    outcome.went("P316", "not-run", "the moon is full")
    assert outcome.unanswered(allowed) == ["P316 (the moon is full)"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"properties": ("P304", "P306", "P304")}, "names P304 twice"),
        ({"properties": ()}, "has no rules"),
        ({"properties": ("P304", "gradient")}, "there is no rule gradient"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        replace(load(DEFAULT), **changes)


@pytest.mark.parametrize("name", DEFAULTS.values())
def test_every_rule_of_a_profile_has_its_tests(name: str) -> None:
    run_session(lambda suite: pytest.fail(str(suite._absent)) if suite._absent else None, load(name), 0)


def test_a_rule_goes_as_the_worst_of_its_tests() -> None:
    outcome = Outcome()
    for how in ("passed", "warned", "not-run", "passed", "failed", "not-run"):
        outcome.went("P302", how, "why")
        assert outcome.not_run == ({"P302": "why"} if outcome.properties["P302"] == "not-run" else {})
    assert outcome.properties == {"P302": "failed"}
    # Broken, and nothing that rejects: such an outcome is a mistake of ours.
    assert outcome.unanswered({}) == ["P302 (broken, by no finding that rejects)"]


def _late(_: Batch) -> Answer:
    raise CandidateFault(rule("W203").finding("it took longer than 1 s for one answer"))


def _misshapen(batch: Batch) -> Answer:
    return replace(DPO(batch), shape=(batch.pairs, 1))


@pytest.mark.parametrize(
    ("function", "found", "not_run"), [(_late, "W203", ("P301", "P304")), (_misshapen, "P301", ("P304",))]
)
def test_what_was_not_run_tells_the_finding_that_ended_it(
    function: Callable[[Batch], Answer], found: str, not_run: tuple[str, ...]
) -> None:
    """The first property of all is about time, and what its test comes upon is often the finding of another rule."""
    out: list[Outcome | None] = []

    def body(suite: Suite) -> None:
        out.append(suite(subject(function)))
        suite(subject(DPO))  # which is learnt
        out.append(suite.rehearsed(subject(function)))

    run_session(body, replace(load("2026.1"), properties=("P315", "P301", "P304"), examples=3), 0)
    for outcome in out:
        assert outcome is not None
        assert [f.rule for f in outcome.findings] == [found]
        assert outcome.not_run == dict.fromkeys(not_run, f"{found} was broken before it")
        assert outcome.properties["P315"] == "failed"


def test_the_verdict_by_findings_and_what_is_missing() -> None:
    error, warning = rule("P302").finding("x"), rule("P302").finding("x", severity=Severity.WARNING)
    assert decide((warning,), []) == Accepted((warning,))
    assert decide((warning, error), ["P303 (x)"]) == Rejected((warning, error))
    verdict = decide((warning,), ["P303 (x)", "P304 (y)"])
    assert isinstance(verdict, Undecided)
    assert "P303 (x); P304 (y)" in verdict.reason
    assert verdict.findings == (warning,)
    # What ended a check early accepts nobody, whatever it weighs.
    assert refused((error,)) == Rejected((error,))
    assert isinstance(refused((warning,)), Undecided)
    assert isinstance(refused(()), Undecided)


def test_a_fault_that_only_warns_accepts_nobody() -> None:
    mild = rule("P304").finding("x", severity=Severity.WARNING)

    def warn(_: Batch) -> Answer:
        raise CandidateFault(mild)

    (outcome,) = seen(function=warn)
    assert "P304 (broken, by no finding that rejects)" in unanswered(outcome)


#: What facts are gathered with: time-outs are the candidate's, as under profile 2026.1.
BENCH = SimpleNamespace(recipe=SimpleNamespace(limits=SimpleNamespace(patience=1.0)))


def test_a_fault_while_facts_are_gathered_rejects_whatever_was_noted_of_its_rule() -> None:
    mild, error = rule("P302").finding("mild", severity=Severity.WARNING), rule("P302").finding("bad")

    def fail(_: Batch) -> Answer:
        raise CandidateFault(error)

    outcome = Outcome([mild], {"P301": "passed"})
    assert _facts(BENCH, None, subject(fail), outcome) == {}  # type: ignore[arg-type]
    assert outcome.findings == [mild, error]


@pytest.mark.parametrize("ends", ["not-run", "nothing"])
def test_a_setting_that_is_not_wholly_judged_accepts_nobody(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate with declared parameters is judged at several settings: each has to be whole."""

    def properties(*_: object) -> tuple[Any, Outcome]:
        if ends == "nothing":
            raise CandidateFault(rule("P302").finding("x", severity=Severity.WARNING))
        found = subject(DPO)
        found.fault = InfrastructureError("gone")  # so that nothing more is asked of it
        return found, Outcome([], {"P302": "not-run"}, {"P302": "lost"})

    class Sandbox:
        def reset_clock(self) -> None:
            pass

    ready: Any = type("Ready", (), {"sandbox": Sandbox()})
    monkeypatch.setattr(judging, "_properties", properties)
    outcome = Outcome([], {"P302": "passed"})
    if ends == "nothing":
        with pytest.raises(InfrastructureError):
            judging._at(None, None, ready, Setting("x", ()), outcome)  # type: ignore[arg-type]
        return
    judging._at(None, None, ready, Setting("x", ()), outcome)  # type: ignore[arg-type]
    assert outcome.unanswered({}) == ["P302 (lost)"]


def test_what_a_rule_found_stands_at_the_loss() -> None:
    from judging import Answering

    program = replace(Answering(DPO).program, entry_line=7)
    findings = [
        rule("P302").finding("x"),
        rule("P302").finding("x", location=Location(9)),
        rule("W202").finding("x"),
        *(rule(name).finding("x") for name in ("W203", "W204", "W209")),
    ]
    assert [f.location for f in _placed(findings, program)] == [Location(7), Location(9), None, *[Location(7)] * 3]
    assert [f.location for f in _placed(findings[:1], None)] == [None]


WILD = {
    "all NaN": of_margin(lambda x: np.full_like(x, np.nan), lambda x: np.full_like(x, np.nan)),
    "infinite": of_margin(lambda x: np.full_like(x, np.inf), lambda x: np.full_like(x, -np.inf)),
    "huge": of_margin(lambda x: np.full_like(x, 1.7e308), lambda x: np.where(x > 0, 1.7e308, -1.7e308)),
    "overflowing": of_margin(lambda x: np.exp(np.exp(-x)), lambda x: -np.exp(np.exp(-x))),
}


@pytest.mark.rest
@pytest.mark.parametrize("wild", WILD)
def test_nothing_is_remarked_on_while_a_wild_loss_is_judged(wild: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(all="ignore"):  # of the function itself, which stands for the sandbox's
            seen(function=WILD[wild])  # type: ignore[arg-type]
        facts = _facts(BENCH, None, subject(WILD[wild]), Outcome([], {"P301": "passed"}))  # type: ignore[arg-type]
    assert "curve" in facts


def test_zero_is_judged() -> None:
    """The rules of the small profile are these: were one renamed, the tests above would say nothing."""
    assert (test_zero.RULE.id, test_gradient.RULE.id) == SMALL.properties
