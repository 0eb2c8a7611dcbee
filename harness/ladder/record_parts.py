"""What was used for an outcome, as the records of all kinds tell it: code, profile, image, circumstances."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from harness.attestation import times
from harness.core.version import __version__
from harness.images.examined import Host, last
from harness.ladder.checkout import checkout
from harness.ladder.rungs import PACKAGES, code_of
from harness.report.wording import strict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.core.profiles import Profile
    from harness.core.verdict import Json


def part(called: str, sha256: str, /, **annotations: Json) -> dict[str, Json]:
    """A thing that was used, by its digest (hex) where it has one, and what is said of it."""
    digest: dict[str, Json] = {"digest": {"sha256": sha256}} if sha256 else {}
    told: dict[str, Json] = {"annotations": strict(annotations)} if annotations else {}
    return {"name": called, **digest, **told}


def harness_part(kind: str, baseline: str = "") -> dict[str, Json]:
    """The code that shapes what a rung of this kind comes to, whose it is, and which commit's where it is known."""
    packages: dict[str, Json] = {name: importlib.metadata.version(name) for name in PACKAGES["properties"]}
    python = platform.python_version()
    return part("harness", code_of(kind, baseline), version=__version__, python=python, packages=packages, **checkout())


def profile_part(profile: Profile) -> dict[str, Json]:
    """The set of rules."""
    return part("profile", profile.digest, name=profile.name, contract=profile.contract)


def image_part(environment: Mapping[str, Json], *, own: bool) -> dict[str, Json]:
    """The sandbox's image, and whether it was one of the user's `own`."""
    digest = str(environment.get("image_digest", "")).removeprefix("sha256:")
    return part("image", digest, tag=str(environment.get("image", "")), own=own)


def circumstances_part(
    environment: Mapping[str, Json], machine: Mapping[str, Json], nonce: str, **more: Json
) -> dict[str, Json]:
    """When, where and how it was made; `more` is what else there is to say."""
    return part(
        "circumstances",
        "",
        time=times.spelt(times.now()),
        nonce=nonce,
        device=str(environment.get("device", "")),
        screen=str(environment.get("screen", "on")),
        runtime=str(environment.get("runtime", "")),
        machine=dict(machine),
        doctor=_doctor(environment, machine),
        **more,
    )


def _doctor(environment: Mapping[str, Json], machine: Mapping[str, Json]) -> Json:
    """What `harness doctor` last found where this was made, and when; or that it never looked."""
    found = last(
        Host(
            engine=str(machine.get("engine", "")),
            image=str(environment.get("image_digest", "")),
            runtime=str(environment.get("runtime", "")),
            gpu=environment.get("device") != "cpu",
        )
    )
    if found is None:
        return {"result": "not examined"}
    return {"result": found.result, "time": found.time, "sha256": found.sha256}
