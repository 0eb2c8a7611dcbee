"""The kinds of rungs, and what the outcome of each is a function of.

A rung with seeds is a function from a candidate's answers and a seed to metrics. A new one is an entry in `SEEDED`, or
a task of `harness.trainer.tasks` where it trains in a container of its own; the queue, the gates and the commands know
none of them by name.

Of all that lies in this project, code and texts, an outcome is a function of what is listed here by name, and counts by
content. Digests of evaluations and tunings are made of it, so that nothing measured by other code is ever taken for
what this code would measure. It is read once in a process, with the code that the process runs: whoever edits a file
has to start workers anew. Images have digests of their own (`harness/images/inputs.py`), which stand beside this one.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from harness.core.digests import json_digest
from harness.core.sources import code_digest, contents, project_root
from harness.core.version import __version__
from harness.images.inputs import TRAINER_CODE
from harness.ladder import bandit
from harness.ladder.baselines import CATALOGUES
from harness.ladder.judge_settings import JudgeSettings
from harness.trainer.tasks import CONTRACTS, MODULES, settings_of
from harness.training.rung import split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.ladder.plan import Ladder, RungPlan
    from harness.protocol.job import Declared, Setting
    from harness.subject.subject import Subject


#: Rungs whose outcome is a verdict, and not metrics by seed.
VERDICTS = ("screen", "properties")


def _bandit(subject: Subject, plan: RungPlan, seed: int) -> dict[str, float]:
    return bandit.measure(subject, seed, bandit.Settings.of(cast("dict[str, Setting]", dict(plan.settings))))


#: Rungs that are measured in this process.
SEEDED: dict[str, Callable[[Subject, RungPlan, int], dict[str, float]]] = {"bandit": _bandit}
#: Rungs that train, apart from everything else; see `harness.training`.
TRAINED = tuple(MODULES)
#: Rungs at which a judge compares what the models of a rung below answer; see `harness.ladder.judge_rung`.
JUDGED = ("judge",)
#: Rungs that need a place that trains, and files of the user's.
WITH_TRAINER = (*TRAINED, *JUDGED)
#: All rungs whose outcome is metrics by seed, for a gate.
GATED = (*SEEDED, *TRAINED)


def contract_of(kind: str) -> str:
    """The contract that losses keep which are trained with at rungs of a kind."""
    return CONTRACTS.get(kind, "preference")


def declared_by(plan: RungPlan, only: str | None = None) -> Declared:
    """What a rung measures by its settings, and what it needs; by `only` one of them, all others being the defaults.

    Raises StepError and UserError, the user's, for settings that make no sense.
    """
    settings = tuple((name, value) for name, value in plan.settings if only in {None, name})
    given = cast("dict[str, Setting]", dict(settings))
    if plan.kind in SEEDED:
        return bandit.Settings.of(given).declared()
    if plan.kind in JUDGED:
        return JudgeSettings.of(given).declared()
    _, given = split(replace(plan, settings=settings))
    return settings_of(plan.kind, given).declared()


def evaluation_digest(ladder: Ladder, plan: RungPlan, image_digest: str, trained: str = "") -> str:
    """SHA-256 of what decides about a rung's outcome, besides the candidate: plan, code, baseline, image.

    `trained` tells what a rung that trains or judges depends on besides: the code and the place of the training, the
    user's files, the evaluation of the rung whose models are judged.
    """
    what = {
        "harness": __version__,
        "code": code_of(plan.kind, plan.baseline),
        "image": image_digest,
        "properties": ladder.properties,
        "rung": plan.name,
        "kind": plan.kind,
        "baseline": plan.baseline,
        "settings": dict(plan.settings),
        "gate": repr(plan.gate),
    }
    if trained:
        what["trained"] = trained
    if plan.held_out:
        what["first_seed"] = str(plan.first_seed)
    return json_digest(what)


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
    "harness/ladder/evidence.py",
    "harness/ladder/gate.py",
    "harness/ladder/measuring.py",
    "harness/ladder/rungs.py",
)
_TUNED = (
    "harness/ladder/tuning.py",
    "harness/ladder/evaluations.py",
    "harness/ladder/profiles/bandit-2026.1.toml",
)
#: What a trainer runs besides its own folder, of which a task has a part.
_SHARED = tuple(folder for folder in TRAINER_CODE if folder != "harness/trainer")
#: How answers of fine-tuned models come to a judgement; the fine-tune's own evaluation stands beside it.
_JUDGED = (
    *_GATED,
    "harness/ladder/judge_panel.py",
    "harness/ladder/judge_rung.py",
    "harness/ladder/judge_sets.py",
    "harness/ladder/judge_settings.py",
    "harness/llm",
    "harness/llm_judge",
)
#: What does the steps of every task.
_TRAINING = ("harness/training", "harness/trainer/*.py")
#: Tasks that are built on another one's folder.
_BUILT_ON = {"iterate": ("harness/trainer/reviews",)}
#: What stands in place of a rung's kind for the tuning.
TUNING = "tuning"
#: Files and folders by the kind of a rung.
_OF = {
    "screen": _SCREEN,
    "properties": (*_ANSWERS, "harness/property_tests", "harness/checks", "harness/subject", "harness/core/numbers.py"),
    "bandit": (*_GATED, "harness/ladder/bandit.py"),
    TUNING: (*_GATED, "harness/ladder/bandit.py", *_TUNED),
    **dict.fromkeys(JUDGED, _JUDGED),
    **{
        kind: (*_GATED, *_SHARED, *_TRAINING, module.replace(".", "/"), *_BUILT_ON.get(kind, ()))
        for kind, module in MODULES.items()
    },
}
#: Packages of this Python whose versions decide, where no image holds them.
PACKAGES = {
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
    files = contents(root, *names, optional=_CATALOGUES)
    return code_digest(f"{kind}\0{baseline}", files, PACKAGES.get(kind, _SEEDED))
