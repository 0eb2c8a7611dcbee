"""Profiles: dated, frozen sets of properties, limits and domains, read from the TOML files beside this one."""

from __future__ import annotations

import hashlib
import importlib.resources
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.contract import POSITION
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.judge.domain import Domain
    from harness.oracle.limits import Limits

DEFAULT = "2026.2"
#: The newest profile of each contract.
DEFAULTS = {"preference": DEFAULT, "classification": "classification-2026.2"}


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
    #: How parameters are paired with the contract's arguments: see `harness.contract`.
    binding: str = POSITION

    @property
    def edition(self) -> str:
        """Which tests of a rule belong to it: the part of the name that profiles of both contracts share."""
        return self.name.rpartition("-")[2]

    @property
    def domain(self) -> Domain:
        """The operating domain."""
        from harness.judge.domain import Domain  # noqa: PLC0415 - the static tier needs no judge

        return Domain(**dict(self.domain_numbers))

    def limits(self, *, gpu: bool = False) -> Limits:
        """Limits of a sandbox; one with a GPU needs more of some."""
        from harness.oracle.limits import MIB, Limits  # noqa: PLC0415

        numbers = dict(self.limit_numbers)
        return Limits(
            memory=int(numbers["gpu_memory_mib" if gpu else "memory_mib"]) * MIB,
            pids=int(numbers["gpu_pids" if gpu else "pids"]),
            cpus=numbers["cpus"],
            load=numbers["load_seconds"],
            call=numbers["call_seconds"],
            total=numbers["total_seconds"],
            output=int(numbers["output_bytes"]),
        )


def names() -> tuple[str, ...]:
    """All profiles, newest last."""
    files = importlib.resources.files(__name__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


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
    data = importlib.resources.files(__name__).joinpath(f"{name}.toml").read_bytes()
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
        binding=document.get("binding", POSITION),
    )
