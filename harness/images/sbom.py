"""The bill of materials of an image, in CycloneDX 1.6: its packages, its base, and what of this project is in it.

Written by hand, as it is little, and a library for it would be one more thing to install; a test holds it against the
standard's own schema. It has no clock and nothing random: the same image has the same bill, wherever it is written.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.core.version import __version__
from harness.images.wheelhouse import Locked, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.images.files import Manifest
    from harness.images.inputs import Inputs

_DEB = re.compile(r"(?P<digest>[0-9a-f]{64}|-)  (?P<name>[^_]+)_(?P<version>[^_]+)_(?P<architecture>[^_]+)\.deb")
_SPACE = uuid.UUID("6a1f7f6e-6f0d-5c1e-9d43-0c1b8e5f3a77")  # of our own; what is named in it is an image's digest


def bill(tag: str, manifest: Manifest, inputs: Inputs, base: str, packages: str, slim: str) -> bytes:
    """Write the bill of an image.

    `base` is the base's identity, `packages` the list of Debian's packages that a base made here has, and `slim` the
    reference of the pinned one.
    """
    name, _, version = tag.partition(":")
    digest = manifest.image.removeprefix("sha256:")
    image = {
        "bom-ref": "image",
        "type": "container",
        "name": name,
        "version": version,
        "purl": f"pkg:oci/{name}@{quote(manifest.image, safe='')}?arch=amd64&tag={quote(version, safe='')}",
        "properties": [
            {"name": "harness:variant", "value": inputs.variant},
            {"name": "harness:inputs", "value": f"sha256:{inputs.digest(base)}"},
        ],
    }
    components = [
        *_python(manifest, parse(inputs.files["lock.txt"].decode(), "lock.txt")),
        *(_wheel(pin, "excluded") for pin in parse(inputs.files["build.txt"].decode(), "build.txt")),
        *_base(base, packages, slim),
        _own(manifest),
    ]
    components = sorted({one["bom-ref"]: one for one in reversed(components)}.values(), key=lambda one: one["bom-ref"])
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, digest)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "harness", "version": __version__}]},
            "component": image,
        },
        "components": components,
        "dependencies": [
            {"ref": "image", "dependsOn": [one["bom-ref"] for one in components if one.get("scope") != "excluded"]}
        ],
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _python(manifest: Manifest, pins: Iterable[Locked]) -> list[dict[str, Any]]:
    """The lock's packages; what was only needed to install them, and is in the image no more, is marked as that."""
    there = {
        _plain(entry.path.split("/")[3].rpartition(".dist-info")[0])
        for entry in manifest.entries
        if entry.path.startswith("/opt/site-packages/") and entry.path.endswith(".dist-info/METADATA")
    }
    return [_wheel(pin, "required" if _plain(f"{pin.name}-{pin.version}") in there else "excluded") for pin in pins]


def _wheel(pin: Locked, scope: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', pin.name).lower()}@{_quoted(pin.version)}"
    return {
        "bom-ref": purl,
        "type": "library",
        "name": pin.name,
        "version": pin.version,
        "scope": scope,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(pin.digests)],
        "purl": purl,
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _base(identity: str, packages: str, slim: str) -> list[dict[str, Any]]:
    """The base, and Debian's packages in it where it was made here."""
    kind, _, digest = identity.partition("@")
    base: dict[str, Any] = {
        "bom-ref": "base",
        "type": "container",
        "name": f"harness-base-{kind}",
        "version": digest,
        "scope": "required",
    }
    if kind == "slim":
        name, _, tag = slim.partition("@")[0].rpartition(":")
        base |= {"name": name, "purl": f"pkg:oci/{name}@{quote(digest, safe='')}?arch=amd64&tag={quote(tag, safe='')}"}
    found = [one for line in packages.splitlines() if (one := _DEB.fullmatch(line))]
    if kind == "debian" and not found:
        base["properties"] = [{"name": "harness:packages", "value": "not recorded when this base was made"}]
    return [base, *(_deb(one) for one in found)]


def _deb(found: re.Match[str]) -> dict[str, Any]:
    version = found["version"].replace("%3a", ":")
    purl = f"pkg:deb/debian/{found['name']}@{_quoted(version)}?arch={found['architecture']}"
    hashes = [] if found["digest"] == "-" else [{"alg": "SHA-256", "content": found["digest"]}]
    deb = {"bom-ref": purl, "type": "library", "name": found["name"], "version": version, "scope": "required"}
    return {**deb, **({"hashes": hashes} if hashes else {}), "purl": purl}


def _own(manifest: Manifest) -> dict[str, Any]:
    """What of this project is in it: the layer above all others, by its digest."""
    return {
        "bom-ref": "harness",
        "type": "application",
        "name": "harness",
        "version": __version__,
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": manifest.layers[-1].removeprefix("sha256:")}],
    }


def _quoted(version: str) -> str:
    return quote(version, safe=":")
