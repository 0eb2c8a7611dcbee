"""What an archive says of itself, as a Workflow Run RO-Crate: which file is what, what was run, by what, when.

The profile is Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5) on RO-Crate 1.1: the ladder is the
workflow, the run an action that took the candidate and gave records, reports and pictures. The library `rocrate` (0.16)
was seen to read one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.core.verdict import Json

NAME = "ro-crate-metadata.json"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
_TYPES = {
    ".py": "text/x-python",
    ".toml": "application/toml",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pem": "application/x-pem-file",
    ".md": "text/markdown",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class Told:
    """A run as an archive tells it. Files are named by their paths in it; times are seconds since 1970.

    `what` is what it is an archive of; `given` are the files that the run was given, `results` what it left.
    `images` are the images that it ran in: tag and SHA-256 (hex). `completed` is whether it came to the top.
    """

    title: str
    what: str
    reason: str
    given: tuple[str, ...]
    ladder: str
    results: tuple[str, ...]
    images: tuple[tuple[str, str], ...]
    begun: float
    ended: float
    completed: bool


def metadata(told: Told, files: Mapping[str, bytes]) -> bytes:
    """The metadata of these files."""
    parts = sorted(name for name in files if name != NAME)
    root: dict[str, Json] = {
        "@id": "./",
        "@type": "Dataset",
        "name": told.title,
        "description": told.what,
        "datePublished": _time(told.ended),
        "license": "No licence was given with the candidate.",
        "conformsTo": [_to(one) for one in _PROFILES],
        "hasPart": [_to(name) for name in parts],
        "mainEntity": _to(told.ladder),
        "mentions": [_to("#run")],
    }
    descriptor: dict[str, Json] = {
        "@id": NAME,
        "@type": "CreativeWork",
        "about": _to("./"),
        "conformsTo": [_to("https://w3id.org/ro/crate/1.1"), _to(_PROFILES[-1])],
    }
    action: dict[str, Json] = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": told.title,
        "description": told.reason,
        "instrument": _to(told.ladder),
        "object": [_to(name) for name in told.given],
        "result": [_to(name) for name in told.results],
        "startTime": _time(told.begun),
        "endTime": _time(told.ended),
        "actionStatus": _to(f"http://schema.org/{'Completed' if told.completed else 'Failed'}ActionStatus"),
        "containerImage": [_to(f"#image-{digest[:12]}") for _, digest in told.images],
    }
    graph = [descriptor, root, action, *_beside(told), *(_file(name, files[name], told) for name in parts)]
    return (json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1) + "\n").encode()


def _beside(told: Told) -> Iterable[dict[str, Json]]:
    yield {
        "@id": "#harness",
        "@type": "SoftwareApplication",
        "name": "preference-loss-harness",
        "softwareVersion": __version__,
    }
    yield {"@id": "#toml", "@type": "ComputerLanguage", "name": "TOML", "url": _to("https://toml.io/")}
    for one in _PROFILES:
        yield {"@id": one, "@type": "CreativeWork", "name": one.rsplit("/", 2)[-2]}
    for tag, digest in told.images:
        yield {
            "@id": f"#image-{digest[:12]}",
            "@type": "ContainerImage",
            "additionalType": _to("https://w3id.org/ro/terms/workflow-run#DockerImage"),
            "name": tag.rpartition(":")[0],
            "tag": tag.rpartition(":")[2],
            "sha256": digest,
        }


def _file(name: str, data: bytes, told: Told) -> dict[str, Json]:
    about: dict[str, Json] = {
        "@id": name,
        "@type": "File",
        "name": name.rpartition("/")[2],
        "contentSize": len(data),
        "encodingFormat": _TYPES.get(name[name.rfind(".") :], "application/octet-stream"),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if name != told.ladder:
        return about
    workflow: dict[str, Json] = {"programmingLanguage": _to("#toml"), "conformsTo": _to("#harness")}
    return about | {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"]} | workflow


def _to(name: str) -> dict[str, Json]:
    return {"@id": name}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
