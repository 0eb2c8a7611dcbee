"""Ladders: dated, frozen files that name the rungs, their settings and their gates; and which of them a run climbs.

That is one of the package's, or one of the user's: a file, or what a ledger keeps of it.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotation
import functools
import hashlib
import importlib.resources
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import UserError
from harness.core.files import SMALL, load_bytes, no_hidden
from harness.ladder.checks import Mistake, check, line_of, misspelt, refused
from harness.ladder.gate import Gate, GuardRail
from harness.ladder.plan import Ladder, RungPlan

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.ledger.records import Run


DEFAULT = "bandit"
#: What a ladder of the user's may be called: ledgers keep the name.
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}")
_FOLDER = "harness.ladder.profiles"
#: What TOML calls an integer; Python would take longer ones, which nothing can reckon with.
_Int: TypeAlias = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class _Strict(BaseModel):
    # Strict: a text is no number here, and `true` is none either.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Rail(_Strict):
    metric: str
    least: float = -math.inf
    most: float = math.inf


class _Gate(_Strict):
    metric: str
    margin: float
    alpha: float = Field(gt=0, lt=1)
    looks: list[_Int] = Field(min_length=1)
    undecided: Literal["promote", "reject"] = "promote"
    rails: list[_Rail] = []


class _Rung(_Strict):
    name: str
    kind: str
    needs: Literal["cpu", "gpu"]
    baseline: str = ""
    settings: dict[str, float | _Int | str | list[float]] = {}
    gate: _Gate | None = None
    ask_a_person: bool = False
    held_out: bool = False


class _File(_Strict):
    name: str
    date: dt.date
    properties: str
    rungs: list[_Rung] = Field(min_length=1)


def names() -> tuple[str, ...]:
    """All ladders, newest last."""
    files = importlib.resources.files(_FOLDER).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


@functools.cache
def digest_of(name: str) -> str:
    """The digest of one of the package's ladders."""
    return hashlib.sha256(importlib.resources.files(_FOLDER).joinpath(f"{name}.toml").read_bytes()).hexdigest()


def load(name: str = DEFAULT) -> Ladder:
    """Read a ladder; a name without a date is the newest of that name, and a path to a .toml file is one of the user's.

    Raises UserError for an unknown one, and for a file that is none.
    """
    if name.endswith(".toml"):
        return _own(Path(name))
    known = names()
    dated = [n for n in known if n == name or n.rpartition("-")[0] == name]
    if not dated:
        raise UserError(f"there is no ladder {name!r}", remedy=f"one of: {', '.join(known)}, or a .toml file")
    data = importlib.resources.files(_FOLDER).joinpath(f"{dated[-1]}.toml").read_bytes()
    return _checked(parse(data, f"{dated[-1]}.toml"), data, dated[-1])


def _own(path: Path) -> Ladder:
    """A ladder of the user's. It is known by its digest, and so may not take a name that stands for another."""
    data = load_bytes(
        path, SMALL, "the ladder", remedy="`harness profiles` lists the ladders that come with the harness"
    )
    ladder = _checked(parse(data, str(path)), data, str(path.absolute()))
    if not _NAME.fullmatch(ladder.name) or ladder.name in names():
        raise UserError(
            f"{path}:{line_of(data.decode(), ('name',))}: a ladder of your own cannot be called {ladder.name!r}",
            remedy="up to 60 of a-z, 0-9, . and -, and no name that `harness profiles` lists",
        )
    return replace(ladder, own=data)


def _checked(ladder: Ladder, data: bytes, source: str) -> Ladder:
    """The ladder, known by what it was loaded by. Raises UserError for one that cannot be climbed."""
    named = replace(ladder, source=source)
    check(named, data.decode("utf-8"))
    no_hidden(tomllib.loads(data.decode("utf-8")), source)
    return named


def parse(data: bytes, source: str = "") -> Ladder:
    """Read a ladder from the bytes of its file. Raises UserError, with the line, for what is no ladder.

    Whether it can be climbed is for `checks`; `load` asks there.
    """
    remedy = "`harness profiles` lists ladders to begin with; their files are in harness/ladder/profiles"
    try:
        text = data.decode("utf-8")
        document = tomllib.loads(text)
        file = _File.model_validate(document)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(f"{source or 'ladder'}:{line}: this is no ladder: it is not UTF-8", remedy=remedy) from error
    except tomllib.TOMLDecodeError as error:
        line, wrong = misspelt(text, error)
        raise UserError(f"{source or 'ladder'}:{line}: this is no ladder: {wrong}", remedy=remedy) from error
    except RecursionError as error:
        raise UserError(f"{source or 'ladder'} is nested too deeply", remedy=remedy) from error
    except ValidationError as error:
        found: dict[tuple[str | int, ...], Mistake] = {}
        for each in error.errors(include_url=False, include_input=False):
            path = _known(document, each["loc"])
            named = ".".join(str(key) for key in each["loc"] if isinstance(key, str)) or "it"
            found.setdefault(path, Mistake(path, f"{named}: {each['msg']}", ""))
        raise refused(source, text, list(found.values())) from error
    except ValueError as error:  # an integer that is too long to be read
        said = str(error).partition(";")[0]
        raise UserError(f"{source or 'ladder'}: this is no ladder: {said}", remedy=remedy) from error
    return Ladder(
        name=file.name,
        date=file.date.isoformat(),
        properties=file.properties,
        rungs=tuple(_plan(rung) for rung in file.rungs),
        digest=hashlib.sha256(data).hexdigest(),
    )


def _known(document: object, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """As much of a path as leads to something: the rest of it is what pydantic calls its own parts, or is missing."""
    for long, key in enumerate(path):
        try:
            document = document[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return path[:long]
    return path


def _plan(rung: _Rung) -> RungPlan:
    settings = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in rung.settings.items())
    gate = None if rung.gate is None else _gated(rung.gate, rung.baseline or "the baseline")
    return RungPlan(**{**dict(rung), "settings": settings, "gate": gate})


def _gated(gate: _Gate, against: str) -> Gate:
    rails = tuple(GuardRail(**dict(rail)) for rail in gate.rails)
    return Gate(**{**dict(gate), "looks": tuple(gate.looks), "rails": rails}, against=against)


#: How much of a digest is told, and has to be given at least.
_SHOWN = 8


def ladder_for(ledger: Ledger, run: Run) -> Ladder | None:
    """The very ladder that a run was submitted for, by its digest; None where neither package nor ledger has it.

    Raises LedgerError where the ledger's copy was changed.
    """
    if run.profile in names():
        ladder = load(run.profile)
        return ladder if ladder.digest == run.profile_digest else None
    try:
        data = ledger.document(run.profile_digest)
        return replace(parse(data), own=data)
    except UserError:
        return None


def called(name: str, digest: str) -> str:
    """What tables call a ladder: its name, and where that is not the package's, the beginning of its digest with it."""
    return name if name in names() and digest_of(name) == digest else f"{name}@{digest[:_SHOWN]}"


def named(ledger: Ledger, words: str) -> Ladder:
    """The ladder of these words: a name of the package's, a .toml file, or one of the ledger's as NAME or NAME@DIGEST.

    Raises UserError for an unknown one, and for a name that several ladders of the ledger have.
    """
    name, at, digest = words.partition("@")
    if words.endswith(".toml"):
        return load(words)
    runs = [run for run in ledger.namesakes(name) if run.profile_digest.startswith(digest)]
    if name not in names() and (at or runs):
        if len(runs) > 1:
            told = ", ".join(called(run.profile, run.profile_digest) for run in runs)
            raise UserError(f"{len(runs)} ladders are called {name!r} here", remedy=f"one of: {told}")
        if not runs:
            raise UserError(
                f"no run in this ledger is of the ladder {words!r}", remedy="`harness queue --all` has them"
            )
        if (found := ladder_for(ledger, runs[0])) is not None:
            return found
        raise UserError(f"the ladder {words} is not kept in this ledger", remedy="name its .toml file")
    return load(words)
