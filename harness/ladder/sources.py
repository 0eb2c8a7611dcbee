"""What a rung's outcome is a function of, of all that lies in this project: code and texts, by name and content.

Digests of evaluations and tunings are made of it, so that nothing measured by other code is ever taken for what this
code would measure. It is read once in a process, with the code that the process runs: whoever edits a file has to start
workers anew. Images have digests of their own (`harness/image/inputs.py`), which stand beside this one.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import sys
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError
from harness.image.inputs import TRAINER_CODE, project_root
from harness.train.tasks import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: How a candidate's text comes to answers.
_SCREEN = (
    "harness/screen",
    "harness/contract.py",
    "harness/candidate.py",
    "harness/errors.py",
    "harness/rules",
    "harness/verdict.py",
    "sandbox/allowlist.py",
)
_ANSWERS = (
    *_SCREEN,
    "sandbox",
    "harness/oracle",
    "harness/classification/adapter.py",
    "harness/classification/batch.py",
    "harness/classification/classifier.py",
    "harness/judge/batches.py",
    "harness/judge/domain.py",
    "harness/judge/foresight.py",
    "harness/judge/judging.py",
    "harness/judge/long_life.py",
    "harness/judge/pipeline.py",
    "harness/judge/subject.py",
    # The binding of parameters, the limits, and how much of a training is asked again.
    "harness/profiles",
    "dockerfiles/seccomp.json",
)
#: How answers come to a decision where there are seeds and a gate.
_GATED = (
    *_ANSWERS,
    "harness/ladder/ahead.py",
    "harness/ladder/baselines.py",
    "harness/ladder/climb.py",
    "harness/ladder/evidence.py",
    "harness/ladder/gate.py",
    "harness/ladder/measuring.py",
    "harness/ladder/prompt_gate.py",
    "harness/ladder/rungs.py",
    "harness/ladder/sentence.py",
)
_TUNED = (
    "harness/ladder/search.py",
    "harness/ladder/tuned.py",
    "harness/ladder/tuning.py",
    "harness/ladder/profiles/bandit-2026.1.toml",
)
#: What stands in place of a rung's kind for the tuning.
TUNING = "tuning"
#: Files and folders by the kind of a rung.
_OF = {
    "screen": _SCREEN,
    "properties": (*_ANSWERS, "property_tests", "harness/judge", "harness/classification"),
    "bandit": (*_GATED, "harness/ladder/bandit.py"),
    TUNING: (*_GATED, "harness/ladder/bandit.py", *_TUNED),
    **{
        kind: (*_GATED, *TRAINER_CODE, "harness/ladder/training", "harness/train/*.py", module.replace(".", "/"))
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
_CATALOGUES = ("harness/losses", "harness/classification/losses")


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
    for name, content in sorted(contents(root, *names).items()):
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\0".encode())
    return whole.hexdigest()


def contents(root: Path, *names: str) -> dict[str, bytes]:
    """The files of that name, of that pattern or in that folder below `root`, by their names.

    What Python or an editor leaves behind is none. Of the catalogues a name may be in one and not in the other.
    """
    try:
        return {path.relative_to(root).as_posix(): path.read_bytes() for name in names for path in _files(root, name)}
    except OSError as error:
        raise InfrastructureError(f"{error.filename} cannot be read: {error.strerror}", remedy="restore it") from error


def _files(root: Path, name: str) -> Iterator[Path]:
    found = sorted(root.glob(name))
    if not found and not name.startswith(_CATALOGUES):
        raise InfrastructureError(f"{root / name} is missing", remedy="check the files out again")
    for path in found:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.is_file() and _is_source(file.relative_to(root)))


def _is_source(path: Path) -> bool:
    left = path.suffix == ".pyc" or path.name.endswith("~") or any(part.startswith(".") for part in path.parts)
    return not left and "__pycache__" not in path.parts
