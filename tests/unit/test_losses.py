"""The catalogue, its formulas' headline numbers, and the corpus of bad losses as files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.losses import CATALOGUE, Entry, find, path_of, source_text

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from reference_formulas import FORMULAS, Pairs, at_margin, sample_pairs  # noqa: E402

NAMES = [entry.name for entry in CATALOGUE]
FOUR = [
    "policy_chosen_logps",
    "policy_rejected_logps",
    "reference_chosen_logps",
    "reference_rejected_logps",
    "beta",
]
PAPER = ["dpo", "slic", "ipo", "kto_pair", "exp", "dbaql", "aql", "padll", "aqfl", "cell", "lrml", "pfl"]
PAPER += ["aql_refactored", "pfl_refactored"]
TRL = [
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
]
TRL += ["apo_zero", "apo_down", "discopop", "sigmoid_norm"]


def function_of(entry: Entry) -> ast.FunctionDef:
    tree = ast.parse(source_text(entry.name))
    (found,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == f"{entry.name}_loss"]
    return found


def slope(name: str, rho: float, beta: float, step: float = 1e-5) -> float:
    high, low = at_margin(name, [rho + step, rho - step], beta)
    return float(high - low) / (2 * step)


# --- the catalogue as files


def test_every_file_is_listed_once() -> None:
    files = {path.name for path in path_of("dpo").parent.glob("*.py")} - {"__init__.py"}
    assert sorted(entry.file for entry in CATALOGUE) == sorted(files)
    spoken_for = [name for entry in CATALOGUE for name in (entry.name, *entry.aliases)]
    assert len(set(spoken_for)) == len(spoken_for)


@pytest.mark.parametrize("name", [*PAPER, *TRL, "aipo", "tsallis", "orpo", "exo"])
def test_losses_of_the_sources_are_in_the_catalogue(name: str) -> None:
    assert find(name) is not None


def test_find_knows_aliases_and_unknown_names() -> None:
    discopop = find("DiscoPOP")
    assert discopop is not None
    assert discopop.name == "lrml"
    assert find("no_such_loss") is None
    with pytest.raises(KeyError):
        source_text("no_such_loss")


@pytest.mark.parametrize("entry", CATALOGUE, ids=NAMES)
def test_signature_is_the_documented_one(entry: Entry) -> None:
    arguments = [a.arg for a in function_of(entry).args.args]
    assert arguments[:5] == FOUR
    assert set(arguments[5:]) <= {"chosen_lengths", "rejected_lengths"}


@pytest.mark.parametrize("entry", CATALOGUE, ids=NAMES)
def test_docstring_states_formula_source_and_variant(entry: Entry) -> None:
    text = ast.get_docstring(ast.parse(source_text(entry.name))) or ""
    for part in ("Formula:", "Source:", "Variant:"):
        assert re.search(rf"^{part} \S", text, re.MULTILINE), part
    assert entry.source in text
    assert entry.reference_free == ("reference-free" in text)
    assert ("batch of 1 gives" in " ".join(text.split())) == (entry.smallest_batch == 2)


@pytest.mark.parametrize("entry", CATALOGUE, ids=NAMES)
def test_imports_are_torch_and_math_only_and_nothing_is_detached(entry: Entry) -> None:
    tree = ast.parse(source_text(entry.name))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    assert imported <= {"torch", "torch.nn.functional", "math"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert attributes.isdisjoint({"detach", "data", "item", "no_grad"})


def test_the_catalogue_does_not_load_torch() -> None:
    code = "import sys, harness.losses as c; c.source_text('dpo'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- the formulas


def test_every_entry_has_an_independent_formula() -> None:
    assert list(FORMULAS) == NAMES


@pytest.mark.parametrize("entry", CATALOGUE, ids=NAMES)
def test_formula_gives_finite_values_in_pair_order(entry: Entry) -> None:
    pairs = sample_pairs(9, 0.1)
    values = FORMULAS[entry.name](pairs)
    assert values.shape == (9,)
    assert np.isfinite(values).all()
    order = np.array([4, 0, 8, 2, 6, 1, 7, 3, 5])
    moved = Pairs(
        pairs.pc[order],
        pairs.pr[order],
        pairs.rc[order],
        pairs.rr[order],
        pairs.chosen_lengths[order],
        pairs.rejected_lengths[order],
        pairs.beta,
    )
    np.testing.assert_allclose(FORMULAS[entry.name](moved), values[order], rtol=1e-9)


@pytest.mark.parametrize("entry", CATALOGUE, ids=NAMES)
def test_kind_says_whether_other_pairs_matter(entry: Entry) -> None:
    wide = sample_pairs(6, 0.05)
    formula = FORMULAS[entry.name]

    def alone(shrink: int) -> bool:
        chosen, rejected = wide.rc + wide.a / shrink, wide.rr + wide.b / shrink
        moved = replace(wide, pc=chosen, pr=rejected)
        vectors = {name: vector[:3] for name, vector in vars(moved).items() if name != "beta"}
        return np.allclose(formula(replace(moved, **vectors)), formula(moved)[:3], rtol=1e-12)

    # DBAQL's gate saturates at wide margins; AOT sees no other pair where policy and reference order alike.
    assert (alone(1) and alone(64)) == (entry.kind == "pointwise")


@pytest.mark.parametrize("entry", [e for e in CATALOGUE if e.reference_free], ids=lambda e: e.name)
def test_reference_free_formulas_ignore_the_reference(entry: Entry) -> None:
    p = sample_pairs(5, 0.1)
    other = Pairs(p.pc, p.pr, p.rc - 9, p.rr + 4, p.chosen_lengths, p.rejected_lengths, p.beta)
    np.testing.assert_array_equal(FORMULAS[entry.name](p), FORMULAS[entry.name](other))


def test_samples_survive_float32_without_ties() -> None:
    for beta in (0.025, 0.1, 1.0):
        p = sample_pairs(64, beta)
        for vector in (p.pc, p.pr, p.rc, p.rr, p.rho, p.pc - p.pr, p.a, p.b):
            np.testing.assert_array_equal(vector, vector.astype(np.float32).astype(np.float64))
            assert len(np.unique(vector)) == 64
        assert max(p.pc.max(), p.pr.max(), p.rc.max(), p.rr.max()) < 0


#: What the functions of the authors' repository (SakanaAI/DiscoPOP, 3307865, src/alignment/gpo.py) answer to RECORDED,
#: run in float64 by torch 2.13: AQL and PFL as they were scored (`..._old` there) and as they were refactored.
RECORDED_VALUES = {
    ("aql", 0.05): [0.7598638079, 0.9765749103, 0.9684376765, 0.8613848364],
    ("aql", 0.25): [0.3952644715, 1.481668832, 1.440016402, 0.9185254608],
    ("aql", 1.0): [0.009378399816, 4.028970376, 3.787023962, 1.115838244],
    ("aql_refactored", 0.05): [0.8461834096, 0.8025675673, 0.7968744556, 0.7917850155],
    ("aql_refactored", 0.25): [0.3750003283, 1.313261688, 1.267958211, 0.7751063987],
    ("aql_refactored", 1.0): [2.496158547e-23, 4.018149928, 3.773245464, 0.9740915384],
    ("pfl", 0.05): [0.03944486715, 10.0, 9.5, 0.4870384921],
    ("pfl", 0.25): [0.03944486715, 10.0, 9.5, 0.4870384921],
    ("pfl", 1.0): [0.03944486715, 10.0, 9.5, 0.4870384921],
    ("pfl_refactored", 0.05): [0.3162995177, 2.4, 2.375, 0.3528626518],
    ("pfl_refactored", 0.25): [0.2143503391, 4.0, 3.875, 0.3787995177],
    ("pfl_refactored", 1.0): [0.03944486715, 10.0, 9.5, 0.4870384921],
    ("dbaql", 0.05): [0.6261334886, 0.8104494499, 0.8027599328, 0.7071577949],
    ("dbaql", 0.25): [0.4050328738, 1.395683093, 1.343892032, 0.7650009549],
    ("dbaql", 1.0): [0.06032012748, 4.456119652, 4.182051563, 1.009019036],
    ("aqfl", 0.05): [0.7504546246, 0.9410151993, 0.9344318382, 0.845920829],
    ("aqfl", 0.25): [0.4043075603, 1.343830013, 1.301530308, 0.8352707608],
    ("aqfl", 1.0): [0.0513601448, 4.018154068, 3.773252255, 0.9764978909],
}
#: Policy chosen and rejected, reference chosen and rejected: margins on both sides, and both orders of the policy.
RECORDED = ([-40.0, -55, -62.5, -30], [-42.0, -50, -60, -36], [-41.0, -52, -59, -31.5], [-40.5, -51, -60.25, -38])


@pytest.mark.parametrize(("name", "beta"), RECORDED_VALUES)
def test_formula_and_text_give_the_values_of_the_authors_code(name: str, beta: float) -> None:
    vectors = pc, pr, rc, rr = [np.array(v) for v in RECORDED]
    ones = np.ones(4)
    expected = np.array(RECORDED_VALUES[name, beta])
    np.testing.assert_allclose(FORMULAS[name](Pairs(pc, pr, rc, rr, ones, ones, beta)), expected, rtol=1e-9, atol=1e-30)
    space: dict[str, Any] = {}
    exec(source_text(name), space)  # noqa: S102 - text of this repository
    answered = space[f"{name}_loss"](*(torch.tensor(v, dtype=torch.float64) for v in vectors), beta)
    np.testing.assert_allclose(answered.numpy(), expected, rtol=1e-9, atol=1e-30)


# --- headline numbers


def test_lrml_at_zero_points_the_wrong_way() -> None:
    assert at_margin("lrml", 0.0, 0.05)[0] == pytest.approx(0.846574, abs=5e-7)
    assert slope("lrml", 0.0, 0.05) == pytest.approx(+0.039213, abs=5e-7)


def test_lrml_has_the_local_extremes_of_the_paper() -> None:
    rho = np.linspace(-6, 6, 120_001)
    values = at_margin("lrml", rho, 0.05)
    rising = np.diff(values) > 0
    turns = np.flatnonzero(rising[1:] != rising[:-1]) + 1
    assert rho[turns] == pytest.approx([-2.3714, 1.44012], abs=1e-4)
    assert values[turns] == pytest.approx([0.785924, 0.878290], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dpo", -0.025), ("slic", -0.05), ("cell", -0.0375), ("ipo", -20.0)],
)
def test_slopes_at_zero(name: str, expected: float) -> None:
    assert slope(name, 0.0, 0.05) == pytest.approx(expected, rel=1e-6)


def test_padll_slope_is_that_of_its_upper_side() -> None:
    above = at_margin("padll", [1e-9, 1e-5], 0.05)
    assert (above[1] - above[0]) / (1e-5 - 1e-9) == pytest.approx(-0.0225, rel=1e-5)
    below = at_margin("padll", [-1e-9], 0.05)
    assert below[0] == pytest.approx(above[0] / 2, rel=1e-6)


@pytest.mark.parametrize("name", ["dbaql", "aqfl"])
def test_one_pair_has_no_unbiased_spread(name: str) -> None:
    entry = find(name)
    assert entry is not None
    assert entry.smallest_batch == 2
    with pytest.warns(RuntimeWarning):
        values = at_margin(name, 1.0, 0.05)
    assert np.isnan(values).all()


# --- examples and bad losses


def test_examples_readme_names_every_file() -> None:
    folder = ROOT / "examples"
    names = {str(p.relative_to(folder)) for p in (*folder.rglob("*.py"), *folder.rglob("*.json"))}
    # A CI set-up may bring more folders; the losses are at the top and in broken/.
    losses = {n for n in names if "/" not in n or n.startswith(("broken/", "classification/"))}
    listed = set(re.findall(r"^\| `([^`]+)` \|", (folder / "README.md").read_text("utf-8"), re.MULTILINE))
    assert losses == listed
    assert len([n for n in losses if "/" not in n]) >= 12


def test_expectations_and_bad_losses_match() -> None:
    folder = ROOT / "tests" / "quality"
    expected = tomllib.loads((folder / "expected.toml").read_text("utf-8"))
    assert set(expected) == {p.name for p in (folder / "losses").glob("*.py")}
    assert len(expected) >= 60
    for name, entry in expected.items():
        ast.parse((folder / "losses" / name).read_text("utf-8"))
        assert set(entry) <= {"rule", "also", "severity", "fault"}
        assert entry["rule"] not in entry.get("also", [])
        assert entry["fault"].endswith(".")
        assert entry.get("severity", "error") in {"error", "warning"}
