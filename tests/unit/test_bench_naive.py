"""The naive harness of the benchmarks finds all that it imports in its image."""

from __future__ import annotations

import subprocess
import sys

from bench.containers import ROOT
from bench.naive.build import PACKAGES

#: What torch needs lies in the sandbox image.
INSIDE = ("torch", "typing-extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock")
#: It finds nothing of this environment but what is named on the command line, and the project.
PROGRAM = """
import importlib.metadata, sys

inside = set(sys.argv[1:])
packages = importlib.metadata.packages_distributions()

class Elsewhere:
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        of = {each.lower().replace("_", "-") for each in packages.get(top, ())}
        if of and not of & inside and top not in {"harness", "bench"}:
            raise ModuleNotFoundError(f"the naive image has no {top}", name=top)
        return None

sys.meta_path.insert(0, Elsewhere)
import bench.naive.run
from harness.core.profiles import DEFAULT, load
from harness.checks.suite import Suite
Suite(load(DEFAULT), 0)
"""


def imported_with(packages: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", PROGRAM, *packages, *INSIDE]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_its_image_has_all_that_it_imports() -> None:
    done = imported_with(PACKAGES)
    assert not done.returncode, done.stderr[-600:]


def test_and_a_package_that_is_left_out_would_be_noticed() -> None:
    done = imported_with(tuple(name for name in PACKAGES if name != "greenlet"))
    assert "the naive image has no greenlet" in done.stderr
