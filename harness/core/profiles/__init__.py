"""Profiles: dated, frozen sets of properties, limits and domains, read from the TOML files beside this one."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import UserError
from harness.core.program import POSITION

if TYPE_CHECKING:
    from harness.core.domain import Domain
    from harness.core.limits import Limits

#: By path: `importlib.resources` takes longer to import than all profiles to be read.
_FOLDER = Path(__file__).parent
DEFAULT = "2026.2"
#: The newest profile of each contract.
DEFAULTS = {"preference": DEFAULT, "classification": "classification-2026.2", "lists": "lists-2026.1"}
#: What may be not run, and why, under a profile that says nothing about it.
_WITHOUT_GPU = {
    "preference": {"P316": "no GPU on this host"},
    "classification": {"P416": "no GPU on this host"},
    "lists": {"P516": "no GPU on this host"},
}


@dataclass(frozen=True)
class Witnessing:
    """How the candidate's answers are held against those of a fresh container; a profile without it does not.

    A life of the first container has `calls` calls behind it, and `seconds` where a clock is within the candidate's
    reach, before it is asked `new` batches that nobody was asked before. The fresh container is asked these first, then
    the `last` ones of the first container and one in `every` of all; after a training, one in `training_every`.
    """

    calls: int
    seconds: float
    new: int
    last: int
    every: int
    training_every: int


@dataclass(frozen=True)
class Profile:
    """A profile as its file states it. `digest` is the SHA-256 of the file."""

    name: str
    date: str
    contract: str
    properties: tuple[str, ...]
    examples: int
    gpu: bool
    digest: str
    domain_numbers: tuple[tuple[str, float], ...]
    limit_numbers: tuple[tuple[str, float], ...]
    witness: Witnessing | None = None
    #: For each rule that may be not run, the reason for which it may.
    not_run: tuple[tuple[str, str], ...] = ()
    #: How parameters are paired with the contract's arguments: see `harness.core.contract`.
    binding: str = POSITION

    def __post_init__(self) -> None:
        """Refuse a set of rules that could not mean what it says."""
        twice = [rule for rule, count in Counter(self.properties).items() if count > 1]
        malformed = [rule for rule in self.properties if not re.fullmatch(r"P[1-9][0-9]{2}", rule)]
        if twice or malformed or not self.properties:
            told = f"it names {', '.join(twice)} twice" if twice else f"there is no rule {', '.join(malformed)} in it"
            raise UserError(f"the profile {self.name} cannot be used: {told if self.properties else 'it has no rules'}")

    @property
    def edition(self) -> str:
        """Which tests of a rule belong to it: the part of the name that profiles of both contracts share."""
        return self.name.rpartition("-")[2]

    @property
    def domain(self) -> Domain:
        """The operating domain."""
        from harness.core.domain import Domain  # noqa: PLC0415 - the static tier needs no judge

        return Domain(**dict(self.domain_numbers))

    def limits(self, *, gpu: bool = False) -> Limits:
        """Limits of a sandbox; one with a GPU needs more of some."""
        from harness.core.limits import MIB, Limits  # noqa: PLC0415

        numbers = dict(self.limit_numbers)
        return Limits(
            memory=int(numbers["gpu_memory_mib" if gpu else "memory_mib"]) * MIB,
            pids=int(numbers["gpu_pids" if gpu else "pids"]),
            cpus=numbers["cpus"],
            load=numbers["load_seconds"],
            call=numbers["call_seconds"],
            total=numbers["total_seconds"],
            output=int(numbers["output_bytes"]),
            batch=numbers.get("batch_seconds", Limits.batch),
            patience=numbers.get("patience", Limits.patience),
            lifetime=numbers.get("lifetime_seconds", Limits.lifetime),
        )


def names() -> tuple[str, ...]:
    """All profiles, newest last."""
    return tuple(sorted(file.stem for file in _FOLDER.iterdir() if file.suffix == ".toml"))


def profile_for(contract: str | None, name: str | None) -> str:
    """The profile of that name, or the contract's own where none is named.

    Raises UserError where the two do not go together.
    """
    if name is None:
        return DEFAULTS[contract or "preference"]
    if contract is not None and load(name).contract != contract:
        raise UserError(
            f"the profile {name} is for the contract {load(name).contract}, and not for {contract}",
            remedy=f"leave --contract out, or name the profile {DEFAULTS[contract]}",
        )
    return name


def load(name: str) -> Profile:
    """Read a profile. Raises UserError for a name that there is none of."""
    if name not in names():
        raise UserError(f"there is no profile {name!r}", remedy=f"there are: {', '.join(names())}")
    data = (_FOLDER / f"{name}.toml").read_bytes()
    document: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    return Profile(
        name=document["name"],
        date=document["date"].isoformat(),
        contract=document["contract"],
        properties=tuple(document["properties"]),
        examples=document["examples"],
        gpu=document["gpu"],
        digest=hashlib.sha256(data).hexdigest(),
        domain_numbers=tuple(document["domain"].items()),
        limit_numbers=tuple(document["limits"].items()),
        witness=Witnessing(**document["witness"]) if "witness" in document else None,
        not_run=tuple(document.get("not_run", _WITHOUT_GPU[document["contract"]]).items()),
        binding=document.get("binding", POSITION),
    )
