"""Nobody is accepted while a rule has no outcome, whatever took it away."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from judging import DPO, of_margin, subject

from harness.checks import judging
from harness.checks.catalogue import find_rule
from harness.checks.judging import _facts, _placed
from harness.checks.outcome import Outcome
from harness.checks.settings import Setting
from harness.checks.suite import Suite
from harness.core.errors import CandidateFault, InfrastructureError, UserError
from harness.core.profiles import DEFAULT, DEFAULTS, load, names
from harness.core.sources import project_root
from harness.core.verdict import Accepted, Location, Rejected, Severity, Undecided, decide, refused
from harness.property_tests.editions import belongs
from harness.property_tests.preference import test_gradient, test_zero

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.core.profiles import Profile
    from harness.core.rules import Rule
    from harness.protocol.batch import Answer
    from harness.protocol.batch_types import PairBatch

SMALL = replace(load(DEFAULT), properties=("P304", "P306"), examples=3)
GRADIENT = [n for n, t in vars(test_gradient).items() if n.startswith("test_") and belongs(t, SMALL.edition)]


def seen(profile: Profile = SMALL, function: Callable[[PairBatch], Answer] = DPO) -> list[Outcome]:
    """The outcome of one that is called, and of the next, to whom the examples are put by heart."""
    suite = Suite(profile, 0)
    out = [suite(subject(function))]
    if (replayed := suite.replayed(subject(function))) is not None:
        out.append(replayed)
    return out


def unanswered(outcome: Outcome) -> str:
    return "; ".join(outcome.unanswered(dict(SMALL.not_run)))


def rule(name: str) -> Rule:
    found = find_rule(name)
    assert found is not None
    return found


#: What is set about pytest and Hypothesis where the harness is started, and must decide nothing.
SURROUNDINGS = {
    "PYTEST_ADDOPTS": "-k nothing -m slow --collect-only --deselect property_tests/preference/test_zero.py"
    " --no-such-option",
    "PYTEST_PLUGINS": "no_such_plugin",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_THEME": "no-such-theme",
    "PYTEST_THEME_MODE": "x",
    "PYTEST_DEBUG_TEMPROOT": "/no/such/folder",
    "PY_COLORS": "1",
    "PY_IGNORE_IMPORTMISMATCH": "1",
    "HYPOTHESIS_PROFILE": "ci",
    "HYPOTHESIS_VERBOSITY_LEVEL": "debug",
    "HYPOTHESIS_STORAGE_DIRECTORY": "/no/such/folder",
    "CI": "true",
}
#: What lies in the folder where the harness is started, which is also on the path.
FILES = {
    "pytest.ini": "[pytest]\naddopts = -k nothing\npython_functions = no\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k nothing'\n[tool.hypothesis]\nmax_examples = 1\n",
    "tox.ini": "[pytest]\naddopts = -k nothing\n",
    "conftest.py": "raise SystemExit('the conftest of the folder was read')\n",
    "property_tests/__init__.py": "raise SystemExit('the folder was searched')\n",
    "property_tests/preference/test_zero.py": "raise SystemExit('the folder was searched')\n",
    "test_zero.py": "raise SystemExit('the folder was searched')\n",
    ".hypothesis/examples/x": "x",
}
#: Entry points of both: pytest's and those that Hypothesis loads as it is imported.
PLANTED = {
    "planted.py": "raise SystemExit('a plugin was loaded')\n",
    "planted-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: planted\nVersion: 1\n",
    "planted-1.dist-info/entry_points.txt": "[pytest11]\na = planted\n[hypothesis]\nb = planted\n",
}
#: What is asked, and what was drawn for it: the names of all, what is absent, and the digest of some examples.
ASKED = """
import hashlib
from dataclasses import replace
from harness.checks.suite import Suite
from harness.core.profiles import DEFAULT, load

whole = Suite(load(DEFAULT), 0)
print(*(item.name for item in whole._items), sep="\\n")
print(whole._properties.absent)
small = Suite(replace(load(DEFAULT), properties=("P301", "P304", "P306"), examples=30), 0)
drawn = small.drawn()
raw = [(name, key, getattr(v, "raw", v)) for name, many in drawn.items() for each in many for key, v in each.items()]
print(len(raw), hashlib.sha256(repr(raw).encode()).hexdigest())
"""


def planted(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run_in(folder: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder that is on its path, behind ours."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "HYPOTHESIS", "CI"))}
    environment = {**known, **environment, "PYTHONPATH": f"{project_root()}:{folder}"}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is asked where nobody says anything about it."""
    done = run_in(tmp_path_factory.mktemp("nothing"), ASKED)
    assert (done.returncode, done.stderr) == (0, "")
    *names, absent, drawn = done.stdout.splitlines()
    assert len(names) > 18
    assert (absent, int(drawn.partition(" ")[0]) > 3) == ("{}", True)
    return done.stdout


def test_the_environment_takes_no_property_away(asked: str, tmp_path: Path) -> None:
    done = run_in(tmp_path, ASKED, **SURROUNDINGS)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", asked)


def test_the_folder_takes_no_property_away(asked: str, tmp_path: Path) -> None:
    """Nor does a suite of that name which lies elsewhere: ours is a part of the package."""
    planted(tmp_path, FILES)
    done = run_in(tmp_path, ASKED)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", asked)


def test_no_plugin_that_is_installed_is_loaded(asked: str, tmp_path: Path) -> None:
    planted(tmp_path, PLANTED)
    done = run_in(tmp_path, ASKED)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", asked)


def test_what_hypothesis_did_before_decides_nothing(asked: str, tmp_path: Path) -> None:
    """As where a caller's own tests call the harness: Hypothesis draws constants of all modules that it met by then."""
    numbers = ", ".join(f"{n}.5, {n}" for n in range(3, 250, 8))  # few: of more it takes none
    before = """
from hypothesis import given, strategies as st
import of_the_caller

@given(st.integers(), st.floats())
def other(number, size):
    pass

other()
"""
    planted(tmp_path, {"of_the_caller.py": f"NUMBERS = ({numbers})\n"})
    done = run_in(tmp_path, before + ASKED)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", asked)


@pytest.mark.parametrize(
    ("files", "program", "said"),
    [
        (PLANTED, "import hypothesis", "a plugin was loaded"),
        (FILES, "import property_tests", "the folder was searched"),
        (FILES, "import pytest; pytest.main([])", "the conftest of the folder was read"),
    ],
)
def test_the_traps_work(tmp_path: Path, files: dict[str, str], program: str, said: str) -> None:
    """Who did load, import or collect what lies there would be caught."""
    planted(tmp_path, files)
    caught = run_in(tmp_path, program)
    assert said in caught.stdout + caught.stderr


def test_all_is_answered() -> None:
    called, replayed = seen()
    assert called.properties == replayed.properties == {"P304": "passed", "P306": "passed"}
    assert unanswered(called) == unanswered(replayed) == ""
    assert called.seconds.keys() == replayed.seconds.keys() == {"P304", "P306"}
    assert all(seconds > 0.0 for seconds in called.seconds.values())


@pytest.mark.parametrize(("mark", "value"), [("__test__", False), ("pytestmark", [pytest.mark.skip(reason="x")])])
def test_what_pytest_would_leave_out_is_asked_all_the_same(
    mark: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in GRADIENT:
        monkeypatch.setattr(vars(test_gradient)[name], mark, value, raising=False)
    assert [o.properties for o in seen()] == [{"P304": "passed", "P306": "passed"}] * 2


def test_a_rule_without_any_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GRADIENT:
        monkeypatch.delattr(test_gradient, name)
    for outcome in seen():
        assert outcome.properties == {"P304": "passed", "P306": "not-run"}
        assert unanswered(outcome) == "P306 (it has no test in this edition)"


def test_a_rule_that_there_is_none_of() -> None:
    for outcome in seen(replace(SMALL, properties=("P304", "P399"))):
        assert unanswered(outcome) == "P399 (there is no such rule)"


def test_a_rule_without_a_test_in_this_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GRADIENT:
        monkeypatch.setitem(vars(vars(test_gradient)[name]), "_until", "2020.1")
    assert [unanswered(o) for o in seen()] == ["P306 (it has no test in this edition)"] * 2


def test_a_rule_that_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a strategy has nothing left to draw, and the test ends without an example."""
    run = Suite._run
    lost = f"::{GRADIENT[0]}"
    monkeypatch.setattr(Suite, "_run", lambda one, item, it: None if item.name.endswith(lost) else run(one, item, it))
    (outcome,) = seen()
    assert unanswered(outcome) == "P306 (it asked nothing)"


def test_a_rule_of_which_no_example_is_known_asks_nothing() -> None:
    """As in a bank that has none: the replay would put nothing, and nothing would fail."""
    suite = Suite(SMALL, 0)
    suite(subject(DPO))
    item = next(item for item in suite._replay._known if item.name.endswith(GRADIENT[0]))
    suite._replay._known[item] = []
    outcome = suite.replayed(subject(DPO))
    assert outcome is not None
    assert outcome.properties == {"P304": "passed", "P306": "not-run"}
    assert unanswered(outcome) == "P306 (it asked nothing)"


def test_a_test_that_skips_itself_at_some_input() -> None:
    """In the middle of a test, and in the replay: for a reason that no profile knows."""
    skipping = False

    def answer(batch: PairBatch) -> Answer:
        if skipping and batch.policy_chosen.dtype == np.float64:
            pytest.skip("not for this input")
        return DPO(batch)

    suite = Suite(SMALL, 0)
    suite(subject(DPO))
    skipping = True
    for outcome in (suite.replayed(subject(answer)), suite(subject(answer))):
        assert outcome is not None
        assert "P306 (not for this input)" in unanswered(outcome)


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
    suite = Suite(load(name), 0)
    assert suite._properties.absent == {}
    assert {item.rule.id for item in suite._items} == set(load(name).properties)


def test_a_rule_goes_as_the_worst_of_its_tests() -> None:
    outcome = Outcome()
    for how in ("passed", "warned", "not-run", "passed", "failed", "not-run"):
        outcome.went("P302", how, "why")
        assert outcome.not_run == ({"P302": "why"} if outcome.properties["P302"] == "not-run" else {})
    assert outcome.properties == {"P302": "failed"}
    # Broken, and nothing that rejects: such an outcome is a mistake of ours.
    assert outcome.unanswered({}) == ["P302 (broken, by no finding that rejects)"]


def _late(_: PairBatch) -> Answer:
    raise CandidateFault(rule("W203").finding("it took longer than 1 s for one answer"))


def _misshapen(batch: PairBatch) -> Answer:
    return replace(DPO(batch), shape=(batch.pairs, 1))


@pytest.mark.parametrize(
    ("function", "found", "not_run"), [(_late, "W203", ("P301", "P304")), (_misshapen, "P301", ("P304",))]
)
def test_what_was_not_run_tells_the_finding_that_ended_it(
    function: Callable[[PairBatch], Answer], found: str, not_run: tuple[str, ...]
) -> None:
    """The first property of all is about time, and what its test comes upon is often the finding of another rule."""
    out: list[Outcome | None] = []

    suite = Suite(replace(load("2026.1"), properties=("P315", "P301", "P304"), examples=3), 0)
    out.append(suite(subject(function)))
    suite(subject(DPO))  # whose examples are known from then on
    out.append(suite.replayed(subject(function)))
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

    def warn(_: PairBatch) -> Answer:
        raise CandidateFault(mild)

    (outcome,) = seen(function=warn)
    assert "P304 (broken, by no finding that rejects)" in unanswered(outcome)


#: What facts are gathered with: time-outs are the candidate's, as under profile 2026.1.
BENCH: Any = SimpleNamespace(recipe=SimpleNamespace(limits=SimpleNamespace(patience=1.0)))
#: Facts are of the preference contract, and nothing is asked of the sandbox for them.
UNUSED: Any = None


def test_a_fault_while_facts_are_gathered_rejects_whatever_was_noted_of_its_rule() -> None:
    mild, error = rule("P302").finding("mild", severity=Severity.WARNING), rule("P302").finding("bad")

    def fail(_: PairBatch) -> Answer:
        raise CandidateFault(error)

    outcome = Outcome([mild], {"P301": "passed"})
    assert _facts(BENCH, UNUSED, subject(fail), outcome) == {}
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
            seen(function=WILD[wild])
        facts = _facts(BENCH, UNUSED, subject(WILD[wild]), Outcome([], {"P301": "passed"}))
    assert "curve" in facts


def test_zero_is_judged() -> None:
    """The rules of the small profile are these: were one renamed, the tests above would say nothing."""
    assert (test_zero.RULE.id, test_gradient.RULE.id) == SMALL.properties
