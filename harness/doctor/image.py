"""The image, by its digest, its record and its configuration. Nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.containers.request import USER
from harness.core.errors import ImageMissingError, UserError
from harness.doctor.model import Check
from harness.images import current_tag
from harness.images.engine import LABEL
from harness.images.refs import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.doctor.model import Outcome

INTACT = Check(
    "D201",
    "image-intact",
    "The sandbox image is the one that was built from these sources.",
    "build it anew with `harness image build`; `harness image verify` tells what differs",
)
CONFIGURED = Check(
    "D202",
    "image-configuration",
    "The image brings no volume, no other user and no environment of its own.",
    "build it with `harness image build`, and use no image that somebody else put together",
)
CHECKS = (INTACT, CONFIGURED)
#: What the image's own recipe sets, and what a base may.
_ENVIRONMENT = {"PATH", "LANG", "HOME", "PYTHONDONTWRITEBYTECODE", "NVIDIA_DRIVER_CAPABILITIES"}


def compare(tag: str | None, variant: str) -> Outcome:
    """Hold the image against its record, its tag and today's sources."""
    try:
        found = verify(tag or current_tag(variant), variant=variant)
    except ImageMissingError as error:
        return INTACT.failed(error.message, error.remedy)
    except UserError as error:
        # Somebody's own image: it may be as good, and there is nothing to hold it against.
        return INTACT.warning(f"{error.message}: there is nothing to compare it with")
    seen = "; ".join(f"{check.name}: {check.detail}" for check in found.checks)
    return INTACT.holds(when=found.intact, seen=f"{found.tag}, {seen}")


def configured(description: Mapping[str, Any]) -> Outcome:
    """Look at an image as the engine describes it."""
    config: Mapping[str, Any] = description.get("Config") or {}
    wrong = list(_wrong(config))
    if wrong:
        return CONFIGURED.failed("; ".join(wrong))
    labels = config.get("Labels") or {}
    shown = ", ".join(f"{name} {labels.get(f'{LABEL}.{name}', '?')}" for name in ("base", "python", "torch"))
    return CONFIGURED.ok(f"{labels.get(LABEL, '?')}: {shown}")


def _wrong(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("User") != USER:
        yield f"its user is {config.get('User') or 'root'}"
    for name in ("Volumes", "ExposedPorts", "OnBuild"):
        if config.get(name):
            yield f"it has {name}"
    names = {str(entry).partition("=")[0] for entry in config.get("Env") or ()}
    if names - _ENVIRONMENT:
        yield f"it sets {', '.join(sorted(names - _ENVIRONMENT))}"
    if not (config.get("Labels") or {}).get(LABEL):
        yield "it has no label of the harness's"
