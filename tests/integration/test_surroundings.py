"""The command as a whole, in surroundings that would have it accept, run or say what it should not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Run

pytestmark = [pytest.mark.container, pytest.mark.rest]

HEAD = "def {}(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):\n"
RHO = "    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)\n"
CONSTANT = "# Nothing is learnt.\n\n\n" + HEAD.format("constant") + "    return 0.0 * policy_chosen_logps + 1.0\n"
DPO = "import torch.nn.functional as F\n\n\n" + HEAD.format("dpo") + RHO + "    return -F.logsigmoid(beta * rho)\n"
WILD = {
    "nan.py": HEAD.format("nan") + RHO + "    return rho * float('nan')\n",
    "infinite.py": HEAD.format("infinite") + RHO + "    return rho * 0.0 + float('inf')\n",
    "huge.py": HEAD.format("huge") + RHO + "    return -1e38 * rho\n",
}
REPLY = json.dumps({"thought": "none", "name": "constant", "code": CONSTANT}, indent=1)


def test_nothing_around_a_broken_loss_has_it_accepted(
    harness: Callable[..., Run], write: Callable[..., Path], tmp_path: Path
) -> None:
    """Nor hides where it is: the line of the loss, of the reply too, in the formats that code hosts read."""
    write(CONSTANT, "constant.py")
    write(REPLY, "reply.json")
    write("[pytest]\naddopts = -k nothing\n", "pytest.ini")
    formats = ("json", "sarif", "github", "gitlab", "junit")
    reports = [f"--report={name}={tmp_path / name}.out" for name in formats]
    run = harness(
        "check",
        tmp_path / "constant.py",
        tmp_path / "reply.json",
        *reports,
        env={
            "PYTEST_ADDOPTS": "-k nothing",
            "PYTEST_PLUGINS": "no_such_plugin",
            "PYTHONWARNINGS": "error",
            "HYPOTHESIS_VERBOSITY_LEVEL": "debug",
        },
    )
    assert run.code == 1, run.out + run.err
    assert run.err == ""
    results = json.loads((tmp_path / "json.out").read_text())["results"]
    assert [r["verdict"] for r in results] == ["rejected", "rejected"]
    for result, line in zip(results, (4, 4), strict=True):
        assert {f["location"]["line"] for f in result["findings"] if f["rule"].startswith("P")} == {line}
    assert set(re.findall(r"line=(\d+)", (tmp_path / "github.out").read_text())) == {"4"}
    assert {i["location"]["lines"]["begin"] for i in json.loads((tmp_path / "gitlab.out").read_text())} == {4}
    (log,) = json.loads((tmp_path / "sarif.out").read_text())["runs"]
    places = [place["physicalLocation"]["region"] for r in log["results"] for place in r["locations"]]
    assert places
    assert all(place["startLine"] == 4 for place in places)
    assert re.search(r'<testcase name="P308[^>]* time="[0-9.]+"', (tmp_path / "junit.out").read_text())


def test_no_candidate_runs_on_the_host_whatever_its_name(
    harness: Callable[..., Run], write: Callable[..., Path], tmp_path: Path
) -> None:
    """Two processes, started in the folder of the candidates, which are called as modules that they import."""
    for name in ("pickle", "random", "queue"):
        write(f"print('ran on the host: {name}')\nimport os\nos._exit(86)\n", f"{name}.py")
    run = harness("check", ".", "--jobs", 2, "--screen", "off", env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert run.code == 1, run.out + run.err
    assert [r["verdict"] for r in run.results] == ["rejected"] * 3
    assert "ran on the host" not in run.err + run.out


@pytest.mark.whole
def test_wild_numbers_are_no_remark_on_standard_error(
    harness: Callable[..., Run], write: Callable[..., Path], tmp_path: Path
) -> None:
    for name, text in WILD.items():
        write(text, name)
    for extra in ({"PYTHONWARNINGS": "error"}, {"PYTHONWARNINGS": "always"}):
        plots = ("--plots", tmp_path / "plots", "--report", f"html={tmp_path}/x.html")
        run = harness("check", tmp_path, *plots, env=extra)
        assert (run.code, run.err) == (1, ""), run.out + run.err
