"""Ask the engine about images, without the Docker SDK where a plain request over a Unix socket will do.

Importing the SDK takes longer than the question that every `harness check` asks first: is the image there?
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from harness.containers.endpoint import find_engine, get_json

if TYPE_CHECKING:
    from docker.api.client import APIClient

LABEL = "harness.sandbox"
SLOW_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image as the engine describes it; `size` in bytes, `created` (since when it is there) in RFC 3339."""

    digest: str
    tags: tuple[str, ...]
    labels: dict[str, str]
    created: str
    size: int


def inspect(reference: str, url: str | None = None) -> EngineImage | None:
    """Describe an image by tag or id; None where the engine does not have it."""
    url = url or find_engine()
    if urlsplit(url).scheme == "unix":
        answer = get_json(url, f"/images/{quote(reference, safe='/:@')}/json")
        return None if answer is None else _describe(answer)
    from docker.errors import NotFound  # noqa: PLC0415 - only for engines behind TLS or ssh

    try:
        return _describe(client().inspect_image(reference))
    except NotFound:
        return None


def labelled(url: str | None = None) -> tuple[EngineImage, ...]:
    """Describe every sandbox image that the engine has, newest first."""
    url = url or find_engine()
    filters = {"label": [LABEL]}
    if urlsplit(url).scheme == "unix":
        listed = get_json(url, f"/images/json?filters={quote(json.dumps(filters), safe='')}") or []
    else:
        listed = client().images(filters=filters)
    # What a build leaves behind carries the labels but no tag; such an image is nobody's to use.
    tagged = [entry for entry in listed if any(tag != "<none>:<none>" for tag in entry.get("RepoTags") or [])]
    images = (inspect(str(entry["Id"]), url) for entry in tagged)
    return tuple(sorted((image for image in images if image), key=lambda image: image.created, reverse=True))


def client(seconds: float = SLOW_SECONDS) -> APIClient:
    """The Docker SDK's client for the engine that find_engine names; for builds, imports and pulls."""
    from harness.containers.sdk import connect  # noqa: PLC0415 - slow to import, and needed for builds alone

    return connect(find_engine(), seconds)


def _describe(answer: dict[str, Any]) -> EngineImage:
    labels = (answer.get("Config") or {}).get("Labels") or {}
    return EngineImage(
        digest=_with_algorithm(str(answer["Id"])),
        tags=tuple(_without_registry(tag) for tag in answer.get("RepoTags") or []),
        labels={str(key): str(value) for key, value in labels.items()},
        # Every image of ours says the same date of itself; Docker also knows when it was given its tag.
        created=_since((answer.get("Metadata") or {}).get("LastTagTime")) or str(answer.get("Created", "")),
        size=int(answer.get("Size", 0)),
    )


def _since(tagged: object) -> str:
    time = str(tagged or "")
    return "" if time.startswith("0001-") else time


def _with_algorithm(digest: str) -> str:
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"  # Podman leaves it out in places


def _without_registry(tag: str) -> str:
    return tag.removeprefix("localhost/").removeprefix("docker.io/library/")  # Podman's full names
