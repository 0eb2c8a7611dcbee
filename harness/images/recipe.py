"""A Dockerfile as stages: what each is made of, what the last one takes from the others, and what it sets.

The engine makes the other stages; what the last one says is carried out by `harness.images.build`. Of that one, only
what our own two Dockerfiles need is understood, and anything else is refused. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FROM = re.compile(r"FROM (?P<parent>\S+)(?: AS (?P<name>[a-z]+))?")
_TAKEN = re.compile(r"COPY --from=(?P<stage>[a-z]+) (?P<source>/\S*) (?P<target>/\S*)")
#: What the build context holds beside the inputs' files.
WHEELS = "wheelhouse/"


class RecipeError(InfrastructureError):
    """A Dockerfile of ours says what the builder does not understand."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: `lines` are its instructions, each on a line, and `copied` what they take from the context."""

    name: str
    parent: str
    lines: tuple[str, ...]
    copied: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A folder that the image takes from a stage; a layer is made of it."""

    stage: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """The stages in their order, what the image takes from them, and its settings, as a configuration names them."""

    stages: tuple[Stage, ...]
    parts: tuple[Part, ...]
    settings: Mapping[str, Any]

    @property
    def checks(self) -> tuple[str, ...]:
        """Stages that only have to succeed: nothing is taken from them, and nothing stands on them."""
        used = {*(part.stage for part in self.parts), *(stage.parent for stage in self.stages)}
        return tuple(stage.name for stage in self.stages if stage.name not in used)

    def needs_wheels(self, name: str) -> bool:
        """Tell whether the wheels have to be there: the engine makes every stage above the one it is asked for."""
        names = [stage.name for stage in self.stages]
        return any(WHEELS in stage.copied for stage in self.stages[: names.index(name) + 1])

    def key(self, name: str, base: str, files: Mapping[str, bytes]) -> str:
        """Digest (hex) of what a stage is made from: the base's identity, instructions, files of the context.

        Wheels are represented by the lock, which is copied beside them.
        """
        stage = next(stage for stage in self.stages if stage.name == name)
        known = {other.name for other in self.stages}
        stands_on = self.key(stage.parent, base, files) if stage.parent in known else base
        whole = hashlib.sha256(f"harness-stage/1\0{stands_on}\0".encode())
        whole.update("\n".join(stage.lines).encode())
        for line in stage.lines:
            if taken := _TAKEN.fullmatch(line):
                whole.update(f"\0{self.key(taken['stage'], base, files)}".encode())
        for source in stage.copied:
            inside = (file for file in files if file == source or (source[-1] == "/" and file.startswith(source)))
            for file in sorted(inside):
                whole.update(f"\0{file}\0{hashlib.sha256(files[file]).hexdigest()}".encode())
        return whole.hexdigest()


def read(text: str) -> Recipe:
    """Return what a Dockerfile says; RecipeError where it says more than is understood."""
    heads: list[re.Match[str]] = []
    bodies: list[list[str]] = []
    for line in _instructions(text):
        if found := _FROM.fullmatch(line):
            heads.append(found)
            bodies.append([])
        elif bodies:
            bodies[-1].append(line)
        elif not line.startswith("ARG "):
            raise RecipeError(f"the Dockerfile begins with {line[:60]!r}", remedy="let stages stand first")
    stages = tuple(_stage(head, lines) for head, lines in zip(heads[:-1], bodies[:-1], strict=True))
    if not stages or heads[-1][0] != "FROM scratch":
        raise RecipeError("the last stage of the Dockerfile does not stand on `scratch`")
    taken = [found for line in bodies[-1] if (found := _TAKEN.fullmatch(line))]
    if unknown := {found["stage"] for found in taken} - {stage.name for stage in stages}:
        raise RecipeError(f"the Dockerfile takes files from {min(unknown)!r}, which is no stage of it")
    parts = tuple(Part(found["stage"], found["source"], found["target"]) for found in taken)
    return Recipe(stages, parts, _settings([line for line in bodies[-1] if not _TAKEN.fullmatch(line)]))


def _settings(lines: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "ENV":
            settings["Env"] = settings.get("Env", []) + shlex.split(rest)
        elif word == "USER":
            settings["User"] = rest
        elif word == "WORKDIR":
            settings["WorkingDir"] = rest
        elif word == "ENTRYPOINT" and rest.startswith("["):
            settings["Entrypoint"] = json.loads(rest)
        else:
            raise RecipeError(
                f"the last stage of the Dockerfile says {line[:60]!r}", remedy="let another stage do what else it does"
            )
    return settings


def _instructions(text: str) -> list[str]:
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [" ".join(line.split()) for line in kept.replace("\\\n", " ").splitlines() if line.strip()]


def _stage(head: re.Match[str], lines: list[str]) -> Stage:
    if not head["name"]:
        raise RecipeError("a stage of the Dockerfile has no name", remedy="name it: FROM ... AS name")
    words = [line.split()[1:] for line in lines if line.startswith("COPY ") and not _TAKEN.fullmatch(line)]
    copied = tuple(source for each in words for source in each[:-1])
    return Stage(head["name"], head["parent"], tuple(lines), copied)
