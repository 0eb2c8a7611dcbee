"""What a rung's outcome is a function of, of all that lies in this project: code and texts, by name and content.

Digests of evaluations and tunings are made of it, so that nothing measured by other code is ever taken for what this
code would measure. It is read once in a process, with the code that the process runs: whoever edits a file has to start
workers anew. Images have digests of their own (`harness/images/inputs.py`), which stand beside this one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import sys
from typing import TYPE_CHECKING

from harness.core.sources import contents, project_root
from harness.images.inputs import TRAINER_CODE
from harness.ladder.baselines import CATALOGUES
from harness.trainer.tasks import MODULES

if TYPE_CHECKING:
    from pathlib import Path

#: How a candidate's text comes to answers.
_SCREEN = (
    "harness/screen",
    "harness/core/contract.py",
    "harness/core/program.py",
    "harness/core/candidate.py",
    "harness/core/errors.py",
    "harness/core/rules.py",
    "harness/protocol/rules.py",
    "harness/core/verdict.py",
    "harness/sandbox/allowlist.py",
)
_ANSWERS = (
    *_SCREEN,
    "harness/sandbox",
    "harness/oracle",
    "harness/protocol",
    "harness/containers",
    "harness/subject/lists",
    "harness/subject/preference.py",
    "harness/subject/classification/classifier.py",
    "harness/subject/batches.py",
    "harness/subject/by_contract.py",
    "harness/core/domain.py",
    "harness/core/limits.py",
    "harness/checks/judging.py",
    "harness/subject/long_life.py",
    "harness/checks/bench.py",
    "harness/checks/checker.py",
    "harness/subject/subject.py",
    # The binding of parameters, the limits, and how much of a training is asked again.
    "harness/core/profiles",
    "harness/dockerfiles/seccomp.json",
)
#: How answers come to a decision where there are seeds and a gate.
_GATED = (
    *_ANSWERS,
    "harness/ladder/background.py",
    "harness/ladder/baselines.py",
    "harness/ladder/climb.py",
    "harness/ladder/e_process.py",
    "harness/ladder/gate.py",
    "harness/ladder/measuring.py",
    "harness/ladder/prompt_gate.py",
    "harness/ladder/rungs.py",
    "harness/ladder/gate_message.py",
)
_TUNED = (
    "harness/ladder/search.py",
    "harness/ladder/tuned.py",
    "harness/ladder/tuning.py",
    "harness/ladder/profiles/bandit-2026.1.toml",
)
#: What a trainer runs besides its own folder, of which a task has a part.
_SHARED = tuple(folder for folder in TRAINER_CODE if folder != "harness/trainer")
#: What stands in place of a rung's kind for the tuning.
TUNING = "tuning"
#: Files and folders by the kind of a rung.
_OF = {
    "screen": _SCREEN,
    "properties": (*_ANSWERS, "harness/property_tests", "harness/checks", "harness/subject", "harness/core/numbers.py"),
    "bandit": (*_GATED, "harness/ladder/bandit.py"),
    TUNING: (*_GATED, "harness/ladder/bandit.py", *_TUNED),
    **{
        kind: (*_GATED, *_SHARED, "harness/training", "harness/trainer/*.py", module.replace(".", "/"))
        for kind, module in MODULES.items()
    },
}
#: Packages of this Python whose versions decide, where no image holds them.
_PACKAGES = {
    "screen": ("RestrictedPython",),
    "properties": ("RestrictedPython", "hypothesis", "numpy", "pytest", "scipy"),
}
_SEEDED = ("RestrictedPython", "numpy", "scipy")
#: Where the text of a baseline lies.
_CATALOGUES = tuple(package.replace(".", "/") for package in CATALOGUES)


def code_of(kind: str, baseline: str = "", root: Path | None = None) -> str:
    """SHA-256 (hex) of the code, the texts and the versions that shape what a rung of this kind comes to.

    `baseline` is the loss of the catalogue that it is measured against. Raises InfrastructureError for a file that
    cannot be read.
    """
    return _code_of(kind, baseline, (root or project_root()).resolve())


@functools.cache
def _code_of(kind: str, baseline: str, root: Path) -> str:
    names = (*_OF[kind], *(f"{folder}/{baseline}.py" for folder in _CATALOGUES if baseline))
    whole = hashlib.sha256(f"harness-code/v1\0{kind}\0{baseline}\0{sys.version_info[:2]}\0".encode())
    for package in _PACKAGES.get(kind, _SEEDED):
        whole.update(f"{package} {importlib.metadata.version(package)}\0".encode())
    for name, content in sorted(contents(root, *names, optional=_CATALOGUES).items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return whole.hexdigest()
