"""PARAMS: what it declares is read from the text, and whatever is malformed is told with its line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
from screening import VECTORS, candidate, faults, findings, plan, read

from harness.core.contract import PREFERENCE
from harness.core.errors import InfrastructureError
from harness.core.program import Parameter
from harness.screen import screen
from harness.screen.front import program_of

LOSS = f"def loss({VECTORS}, beta, tau, eps=0.5):\n    return policy_chosen_logps * tau + eps * beta\n"
GOOD = f'PARAMS = {{"tau": (0.01, 1, "log"), "eps": (-1, +2.5)}}\n{LOSS}'
NAMES = ["policy_chosen_logps", "policy_rejected_logps", "reference_chosen_logps", "reference_rejected_logps"]


def test_the_ranges_are_in_the_plan_and_the_arguments_as_ever() -> None:
    assert plan(GOOD) == [
        "loss",
        "function",
        [*NAMES, "beta"],
        [],
        [["tau", 0.01, 1.0, True], ["eps", -1.0, 2.5, False]],
    ]
    program = screen(candidate(GOOD))
    assert program.plan.parameters == (Parameter("tau", 0.01, 1.0, log=True), Parameter("eps", -1.0, 2.5))
    assert program.constants == {"tau": pytest.approx(0.1), "eps": 0.75}


@pytest.mark.parametrize(
    "source",
    [
        f'PARAMS: dict = {{"tau": [0.1, 2.0, "linear"]}}\n{LOSS}',
        f'PARAMS = {{"tau": (1, 2)}}\ndef loss({VECTORS}, *, beta, tau): return tau\n',
        f'PARAMS = {{"tau": (1, 2)}}\ndef loss(tau, {VECTORS}, beta): return tau\n',
        'PARAMS = {"tau": (1, 2)}\nloss = lambda pc, pr, rc, rr, tau=3.0, beta=0.1: pc\n',
        'PARAMS = {"tau": (1, 2)}\ndef loss(a, b, c, d, tau): return a * tau\n',
        'PARAMS = {"tau": (1, 2)}\ndef loss(self, a, b, c, d, tau): return a * self.beta * tau\n',
        f'{LOSS}PARAMS = {{"tau": (1, 2)}}\n',
        f'def _helper():\n    PARAMS = 3\n    return PARAMS\nPARAMS = {{"tau": (1, 2)}}\n{LOSS}',
    ],
)
def test_the_ways_to_declare_and_to_take(source: str) -> None:
    answer = plan(source)
    assert [p[0] for p in answer[4]] == ["tau"]
    given = [*answer[2], *(name for _, name in answer[3])]
    assert set(NAMES) <= set(given)
    assert "tau" not in [own for own, _ in answer[3]]


def test_without_a_declaration_the_answer_has_nothing_new() -> None:
    source = f"def loss({VECTORS}, beta, tau=1.0):\n    return tau * policy_chosen_logps\n"
    assert len(plan(source)) == 4
    assert screen(candidate(source)).constants == {}


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        ("PARAMS = {}", "nothing"),
        ('PARAMS = {"tau": 0.5}', "(low, high)"),
        ('PARAMS = {"tau": (0.5,)}', "(low, high)"),
        ('PARAMS = {"tau": (0.1, 1.0, "log", 4)}', "(low, high)"),
        ('PARAMS = {"tau": "0, 1"}', "(low, high)"),
        ('PARAMS = {"tau": (0.1, 1.0, "cubic")}', "scale"),
        ('PARAMS = {"tau": (0.1, 1.0, True)}', "scale"),
        ('PARAMS = {"tau": (1.0, 0.1)}', "empty"),
        ('PARAMS = {"tau": (1.0, 1.0)}', "empty"),
        ('PARAMS = {"tau": (0.0, 1.0, "log")}', "logarithmic"),
        ('PARAMS = {"tau": (-1.0, 1.0, "log")}', "logarithmic"),
        ('PARAMS = {"tau": (0.0, 1e400)}', "not finite"),
        ('PARAMS = {"tau": (-1e400, 0.0)}', "not finite"),
        (f'PARAMS = {{"tau": (0, {"9" * 400})}}', "not finite"),
        ('PARAMS = {"tau": (-1.5e308, 1.5e308)}', "not finite"),
        ('PARAMS = {"tau": (0.1, 1.0j)}', "number"),
        ('PARAMS = {"tau": (False, True)}', "number"),
        ('PARAMS = {"tau": (0.1, "1.0")}', "number"),
        ('PARAMS = {"tau": (0.1, 2 ** 3)}', "number"),
        ('PARAMS = {"tau": (0.1, float("nan"))}', "number"),
        ('PARAMS = {"tau": (0.1, HIGH)}', "number"),
        ('PARAMS = {"tau": (0.1, --1.0)}', "number"),
        ('PARAMS = {"tau": (*[0.1], 1.0)}', "number"),
        ('PARAMS = {"ta" "u" + "x": (0.1, 1.0)}', "text"),
        ("PARAMS = {3: (0.1, 1.0)}", "text"),
        ('PARAMS = {f"tau": (0.1, 1.0)}', "text"),
        ('PARAMS = {"tau": (0.1, 1.0), "tau": (0.2, 1.0)}', "twice"),
        ('PARAMS = {"": (0.1, 1.0)}', "name"),
        ('PARAMS = {"a b": (0.1, 1.0)}', "name"),
        ('PARAMS = {"τ": (0.1, 1.0)}', "name"),
        ('PARAMS = {"x\\x1b[2J": (0.1, 1.0)}', "name"),
        (f'PARAMS = {{"{"t" * 41}": (0.1, 1.0)}}', "name"),
        ('PARAMS = {"lambda": (0.1, 1.0)}', "name"),
        ('PARAMS = {"self": (0.1, 1.0)}', "name"),
        ('PARAMS = {"__class__": (0.1, 1.0)}', "name"),
        ('PARAMS = {"_tau": (0.1, 1.0)}', "name"),
        ('PARAMS = {"beta": (0.1, 1.0)}', "argument"),
        ('PARAMS = {"pc": (0.1, 1.0)}', "argument"),
        ('PARAMS = {"a": (1, 2), "b": (1, 2), "c": (1, 2), "d": (1, 2), "e": (1, 2)}', "the most"),
        ("PARAMS = {" + ", ".join(f'"p{i}": (0, 1)' for i in range(3000)) + "}", "the most"),
        ('OTHER = {}\nPARAMS = {**OTHER, "tau": (0.1, 1.0)}', "**"),
        ("PARAMS = dict(tau=(0.1, 1.0))", "dictionary"),
        ("PARAMS = {name: (0.1, 1.0) for name in ['tau']}", "dictionary"),
        ("PARAMS = 3", "dictionary"),
        ("PARAMS: dict", "dictionary"),
        ('PARAMS = OTHER = {"tau": (0.1, 1.0)}', "dictionary"),
        ('PARAMS, OTHER = {"tau": (0.1, 1.0)}, 1', "dictionary"),
        ('if True:\n    PARAMS = {"tau": (0.1, 1.0)}', "dictionary"),
        ("for PARAMS in [1]:\n    pass", "dictionary"),
        ("import math as PARAMS", "dictionary"),
        ('PARAMS = {"tau": (0.1, 1.0)}\nPARAMS["eps"] = (0.1, 1.0)', "second time"),
        ('PARAMS = {"tau": (0.1, 1.0)}\nPARAMS |= {"eps": (0.1, 1.0)}', "second time"),
        ('PARAMS = {"tau": (0.1, 1.0)}\ntry:\n    PARAMS = {}\nexcept ValueError:\n    pass', "second time"),
        ('PARAMS = {"tau": (0.1, 1.0)}\ndel PARAMS', "second time"),
        ('PARAMS = {"tau": (0.1, 1.0), "sigma": (0.1, 1.0)}', "no parameter of that name"),
    ],
)
def test_what_is_malformed_is_a_finding_with_its_line(declaration: str, words: str) -> None:
    source = f"\n{declaration}\n\n{LOSS}"
    told = [fault for fault in read(source)["faults"] if fault[0] == "S117"]
    assert told, read(source)["faults"]
    assert any(words in fault[1] for fault in told), told
    assert all(2 <= fault[2] <= 2 + declaration.count("\n") and fault[4] for fault in told)
    assert all(fault[1].isprintable() for fault in told)


def test_nothing_else_is_said_of_a_parameter_whose_range_is_malformed() -> None:
    assert faults(f'PARAMS = {{"tau": (1.0, 0.5)}}\n{LOSS}') == [("S117", 1)]


def test_a_parameter_that_nobody_declares_is_told_of_both_ways_out() -> None:
    (finding,) = findings(LOSS)
    assert finding.rule == "S109"
    assert "tau" in finding.message
    assert 'PARAMS = {"tau": (0.1, 1.0)}' in finding.fix
    assert "default" in finding.fix


def test_a_parameter_that_cannot_be_given_by_name() -> None:
    (finding,) = findings('PARAMS = {"tau": (1, 2)}\ndef loss(pc, pr, rc, rr, beta, tau, /): return pc * tau\n')
    assert finding.rule == "S109"
    assert "by name" in finding.message


def test_the_text_is_read_and_never_run(tmp_path) -> None:
    place = tmp_path / "ran"
    source = f'PARAMS = {{"tau": (0.1, open({str(place)!r}, "w").write("x"))}}\n{LOSS}'
    assert {f.rule for f in findings(source, policy=False)} == {"S117"}
    assert not place.exists()


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        3,
        [["tau", 0.1, 1.0, True]] * 2,
        [[f"p{i}", 0.1, 1.0, True] for i in range(5)],
        [["tau", 0.1, 1.0]],
        [["tau", 0.1, 1.0, 1]],
        [["tau", 1, 2, False]],
        [["tau", math.nan, 2.0, False]],
        [["tau", 0.1, math.inf, False]],
        [["tau", 2.0, 1.0, False]],
        [["beta", 0.1, 1.0, False]],
        [["__class__", 0.1, 1.0, False]],
    ],
)
def test_an_answer_that_a_text_took_over_is_refused(parameters: object) -> None:
    document = {
        "text": "x",
        "lines": [1],
        "source": "x",
        "name": "x",
        "plan": ["f", "function", ["policy_chosen_logps"], [], [["tau", 0.1, 1.0, False]]],
    }
    assert not isinstance(program_of(json.dumps(document).encode(), guarded=True), list)
    document["plan"][4] = parameters  # type: ignore[index]
    with pytest.raises(InfrastructureError):
        program_of(json.dumps(document).encode(), guarded=True)


def test_values_stay_in_their_ranges_and_each_scale_has_its_middle() -> None:
    log, plain = Parameter("a", 1e-300, 1e300, log=True), Parameter("b", -3.0, 5.0)
    assert log.middle == pytest.approx(1.0)
    assert plain.middle == 1.0
    assert [plain.at(share) for share in (0.0, 0.25, 1.0)] == [-3.0, -1.0, 5.0]
    assert [log.at(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([1e-300, 1.0, 1e300], rel=1e-9, abs=0.0)
    program = screen(candidate(GOOD))
    assert program.at({"tau": 0.5}).constants == {"tau": 0.5, "eps": 0.75}
    for wrong in ({"tau": 1.5}, {"sigma": 0.5}, {"eps": math.nan}):
        with pytest.raises(ValueError, match="range"):
            program.at(wrong)


def test_every_argument_and_alias_is_taken_already() -> None:
    for name in (*PREFERENCE.arguments, *PREFERENCE.aliases):
        with pytest.raises(ValueError, match="passes it already"):
            Parameter(name, 0.0, 1.0)
    assert asdict(Parameter("tau", 0.0, 1.0)) == {"name": "tau", "low": 0.0, "high": 1.0, "log": False}
