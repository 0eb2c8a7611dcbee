"""`harness check` as a whole: the same report each time, and an engine that fails."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from engine_proxy import proxied
from hostile import DPO, INVERTED, loss
from support import ROOT, harness_command

from harness.containers.endpoint import find_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Run

    from harness.containers.engine import Engine

pytestmark = pytest.mark.container

EXAMPLES = ["examples/dpo.py", "examples/discopop.py", "examples/dbaql.py", "examples/broken/inverted.py"]
#: Two of them, and all in `make test-all`.
SETS = pytest.mark.parametrize(
    "examples",
    [pytest.param(EXAMPLES[1::2], marks=pytest.mark.rest), pytest.param(EXAMPLES, marks=pytest.mark.whole)],
    ids=["two", "all"],
)


def without_timings(path: Path) -> str:
    report = json.loads(path.read_text("utf-8"))
    for result in report["results"]:
        del result["timings"]
    return json.dumps(report)


@SETS
def test_the_same_check_gives_the_same_bytes(harness: Callable[..., Run], tmp_path: Path, examples: list[str]) -> None:
    files = [tmp_path / f"{name}.json" for name in ("one", "two", "apart")]
    for file, jobs in zip(files, (1, 1, 2), strict=True):
        run = harness("check", *examples, "--jobs", jobs, "--report", f"json={file}")
        assert run.code == 1
    first, second, apart = map(without_timings, files)
    assert first == second
    assert first == apart


@SETS
def test_another_seed_gives_other_draws_and_the_same_verdicts(harness: Callable[..., Run], examples: list[str]) -> None:
    runs = [harness("check", *examples, "--jobs", 2, "--seed", seed) for seed in (0, 12345)]
    words = [[r["verdict"] for r in run.results] for run in runs]
    assert words[0] == words[1] == ["accepted"] * (len(examples) - 1) + ["rejected"]
    assert runs[1].report is not None
    assert runs[1].report["seed"] == 12345
    facts = [[r["facts"].get("fingerprint") for r in run.results] for run in runs]
    assert facts[0] == facts[1]


@pytest.fixture(scope="module")
def discopop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result for `examples/discopop.py`."""
    file = tmp_path_factory.mktemp("discopop") / "report.json"
    command = harness_command("check", "examples/discopop.py", f"--report=json={file}")
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=600).returncode == 0
    (result,) = json.loads(file.read_text("utf-8"))["results"]
    return dict(result)


def test_discopop_at_zero(discopop: dict[str, Any]) -> None:
    """Its value there is (log 2 + 1) / 2, and its slope points the wrong way."""
    assert discopop["verdict"] == "accepted"
    facts = discopop["facts"]
    assert facts["value_at_zero"] == pytest.approx(0.846574, abs=1e-6)
    # d/dx of (1 - g) log(1 + e^-x) + g e^-x, where g has the slope 1 / (4 tau): over rho, times beta.
    x_slope = (1 - 0.6931471805599453) / (4 * 0.05) - 0.25 - 0.5
    assert facts["slope_at_zero"] == pytest.approx(0.05 * x_slope, abs=1e-6)
    assert facts["slope_at_zero"] > 0
    assert facts["convex"] is False


def test_discopops_hill_and_valley(discopop: dict[str, Any]) -> None:
    facts = discopop["facts"]
    (valley,) = [m for m in facts["minima"] if m["rho"] < 0]
    (hill,) = facts["maxima"]
    assert valley["rho"] == pytest.approx(-2.3714, abs=0.01)
    assert valley["value"] == pytest.approx(0.785929, abs=1e-4)
    assert hill["rho"] == pytest.approx(1.44012, abs=0.01)
    assert hill["value"] == pytest.approx(0.87829, abs=1e-4)


@pytest.mark.parametrize(("beta", "rho"), [(1.0, -88.73), (2.5, -35.49), (5.0, -17.75)])
def test_where_discopop_turns_to_nan(discopop: dict[str, Any], beta: float, rho: float) -> None:
    (onset,) = [o for o in discopop["facts"]["stability"]["onset"] if o["beta"] == beta]
    assert onset["below"] == pytest.approx(rho, abs=0.011)
    assert onset["above"] is None


@pytest.mark.rest
def test_dpo_has_no_such_place(harness: Callable[..., Run]) -> None:
    run = harness("check", "examples/dpo.py")
    (result,) = run.results
    assert run.code == 0
    assert all(o["below"] is None and o["above"] is None for o in result["facts"]["stability"]["onset"])
    assert result["facts"]["value_at_zero"] == pytest.approx(0.693147, abs=1e-6)
    assert result["facts"]["slope_at_zero"] == pytest.approx(-0.025, abs=1e-9)
    assert result["facts"]["convex"] is True


def test_what_it_prints_is_shown_apart_and_harmless(harness: Callable[..., Run], write: Callable[..., Path]) -> None:
    text = loss('print("\\x1b[31m::error::forged\\u202e [bold]accepted[/bold]")')
    run = harness("check", write(text), "--screen", "off")
    (result,) = run.results
    assert (run.code, result["verdict"]) == (0, "accepted")
    assert "forged" in result["output"]
    for shown in (result["output"], run.out, run.err):
        assert "\x1b[31m" not in shown
        assert "\u202e" not in shown


@pytest.mark.rest
def test_a_mixed_folder_keeps_its_order_and_the_worst_exit_code(
    harness: Callable[..., Run], write: Callable[..., Path]
) -> None:
    write(DPO, "all/a.py")
    write(INVERTED, "all/b.py")
    folder = write("def", "all/sub/c.py").parent.parent
    run = harness("check", folder, "--jobs", 2)
    assert run.code == 1
    assert [r["verdict"] for r in run.results] == ["accepted", "rejected", "rejected"]
    assert [{f["rule"] for f in r["findings"]} for r in run.results] == [set(), {"P308", "P319"}, {"S105"}]


#: They end their process, hang up or return nonsense at their first call, or in the middle of a property.
EARLY = {
    "at once": "os._exit(0)",
    "in the middle": "if rho.dtype == torch.float64:\n    os._exit(0)",
    "in a fine scan": "if rho.numel() > 300:\n    os._exit(0)",
    "with an exception": "if rho.numel() > 300:\n    raise ValueError('no')",
}


@pytest.mark.whole
def test_a_candidate_that_ends_early_does_not_touch_the_next(
    harness: Callable[..., Run], write: Callable[..., Path]
) -> None:
    paths = []
    for number, body in enumerate(EARLY.values()):
        paths += [write(loss(body), f"{number}a.py"), write(DPO, f"{number}b.py")]
    run = harness("check", *paths, "--screen", "off")
    assert run.code == 1
    assert [r["verdict"] for r in run.results] == ["rejected", "accepted"] * len(EARLY)
    benign = run.results[1::2]
    for one in benign:
        assert (one["facts"], one["properties"]) == (benign[0]["facts"], benign[0]["properties"])


# An engine that fails.


def test_a_stopped_engine_is_exit_3_with_the_remedy(harness: Callable[..., Run]) -> None:
    run = harness("check", *EXAMPLES, env={"DOCKER_HOST": "unix:///nonexistent/engine.sock"})
    assert run.code == 3
    assert {r["verdict"] for r in run.results} == {"undecided"}
    assert all(r["remedy"] for r in run.results)
    assert not run.rules
    assert "DOCKER_HOST" in run.out + run.err


@pytest.mark.rest
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_engine_that_hangs_up_in_the_middle(
    harness: Callable[..., Run], engine: Engine, tmp_path: Path, jobs: int
) -> None:
    with proxied(find_engine(), tmp_path / "engine.sock", hang_up_after=3000) as proxy:
        run = harness("check", *EXAMPLES, "--jobs", jobs, env={"DOCKER_HOST": proxy.url})
        assert proxy.created
        for container in proxy.created:
            engine.remove(container)
    assert run.code == 3
    assert not any(r["verdict"] == "accepted" for r in run.results)
    assert any(r["verdict"] == "undecided" for r in run.results)
    for result in run.results:
        if result["verdict"] == "undecided":
            assert result["findings"] == []


def test_an_image_that_is_not_there(harness: Callable[..., Run]) -> None:
    run = harness("check", "examples/dpo.py", "--image", "harness-sandbox:never-built")
    assert run.code == 3
    assert "harness image build" in run.out + run.err


def test_a_runtime_that_is_not_there(harness: Callable[..., Run]) -> None:
    run = harness("check", "examples/dpo.py", "--runtime", "no-such-runtime")
    assert run.code == 3
    assert "no-such-runtime" in run.out + run.err
