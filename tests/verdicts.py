"""What became of every candidate of the tests, the catalogue and the examples: verdict, rules, counterexamples.

`python tests/verdicts.py` checks them all, with two processes, and writes `tests/verdicts.json`. A change that means to
leave behaviour as it was is held against that file (`tests/quality/test_verdicts.py`). One that means to change a
verdict takes its line out and runs this again, so that the change of the file shows what it did.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS / "adversarial")]

from cases import load  # noqa: E402 - the corpus is a folder of its own
from support import decided  # noqa: E402

from harness.checks.options import Options  # noqa: E402
from harness.core.profiles import DEFAULT, DEFAULTS  # noqa: E402
from harness.core.result import CheckReport  # noqa: E402
from harness.report.json_report import write_json  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.core.result import CheckResult

ROOT = TESTS.parent
TABLE = TESTS / "verdicts.json"
#: What the clock, the processor or the engine decides about: which question was asked last is no property of the loss.
BY_THE_CLOCK = {"P315", "P415", "P515", "W201", "W202", "W203", "W204", "W205"}

#: What is judged of these is chance: the file is rewritten while it is read.
BY_CHANCE = {"11_rewritten_all_the_time"}

Row = dict[str, Any]


def candidates() -> dict[str, tuple[str, ...]]:
    """The names of all candidates by profile: paths below the root, and `corpus:NAME` for the hostile ones."""
    classification, lists = DEFAULTS["classification"], DEFAULTS["lists"]
    folders = {
        "harness/losses": DEFAULT,
        "harness/losses/classification": classification,
        "examples": DEFAULT,
        "examples/broken": DEFAULT,
        "examples/classification": classification,
        "tests/quality/losses": DEFAULT,
        "tests/quality/honest": DEFAULT,
        "tests/quality/classification": classification,
        "harness/losses/lists": lists,
        "examples/lists": lists,
        "tests/quality/lists": lists,
        "tests/adversarial/found": DEFAULT,
    }
    found: dict[str, list[str]] = {DEFAULT: [], classification: [], lists: []}
    for folder, profile in folders.items():
        paths = sorted(p for p in (ROOT / folder).iterdir() if p.suffix in {".py", ".json"} and p.stem != "__init__")
        found[profile] += [p.relative_to(ROOT).as_posix() for p in paths]
    for case in load():
        if case.name not in BY_CHANCE:
            found.setdefault(case.profile, []).append(f"corpus:{case.name}")
    return {profile: tuple(names) for profile, names in found.items()}


def rows_of(names: Collection[str], profile: str, jobs: int = 2, *, static: bool = False) -> dict[str, Row]:
    """Check these candidates of one profile, or only screen them, and give what became of each."""
    corpus = {f"corpus:{case.name}": case for case in load()}
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary"
        canary.write_text("canary", "utf-8")
        hostile = Path(folder) / "hostile"
        hostile.mkdir()
        paths = [corpus[n].write(hostile, canary) if n in corpus else ROOT / n for n in names]
        results = decided(paths, Options(profile=profile, jobs=jobs, static=static))
    rows = {name: row_of(result) for name, result in zip(names, results, strict=True)}
    undecided = [name for name, row in rows.items() if row["verdict"] == "undecided"]
    if undecided:
        raise RuntimeError(f"undecided: {', '.join(undecided)}")
    return rows


def row_of(result: CheckResult) -> Row:
    """Verdict and findings, each with its counterexample where it has one that is the loss's own."""
    report = json.loads(write_json(CheckReport("", 0, (result,))))["results"][0]
    findings = [[f["rule"], None if f["rule"] in BY_THE_CLOCK else f["counterexample"]] for f in report["findings"]]
    return {"verdict": report["verdict"], "findings": sorted(findings, key=lambda f: (f[0], json.dumps(f[1])))}


def alike(one: Any, other: Any) -> bool:
    """Whether two rows are the same, their numbers to six digits: a sum may be taken in another order."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and one == other


def differing(now: dict[str, Row], names: Collection[str]) -> dict[str, tuple[Row, Row]]:
    """Those of these candidates whose row is another one than the table's: what it is, and what it was."""
    table = recorded()
    return {name: (now[name], table[name]) for name in names if not alike(now[name], table[name])}


def recorded() -> dict[str, Row]:
    """The table."""
    rows: dict[str, Row] = json.loads(TABLE.read_text("utf-8"))
    return rows


def write(rows: dict[str, Row]) -> None:
    """Write the table, one candidate a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(rows[name])}" for name in sorted(rows)]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    table = recorded() if TABLE.exists() else {}
    for profile, names in candidates().items():
        left = [name for name in names if name not in table]
        for at in range(0, len(left), 40):
            table |= rows_of(left[at : at + 40], profile)
            write(table)
            sys.stdout.write(f"{profile}: {min(at + 40, len(left))} of {len(left)}\n")
            sys.stdout.flush()
