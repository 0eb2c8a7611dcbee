"""The bill of materials is CycloneDX by the standard's own schema, and the same bytes for the same image."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from harness.core.sources import project_root
from harness.images.files import Entry, Manifest
from harness.images.inputs import VARIANTS, inputs_for
from harness.images.sbom import bill

SLIM = "python:3.11-slim-bookworm@sha256:" + "5" * 64
DEBS = f"{'b' * 64}  zlib1g_1%3a1.2.13.dfsg-1_amd64.deb\n-  libc6_2.36-9+deb12u14_amd64.deb\nnonsense\n"
BASES = {"debian": "debian@sha256:" + "6" * 64, "slim": "slim@sha256:" + "5" * 64, "own": "own@sha256:" + "7" * 64}
MANIFEST = Manifest(
    image="sha256:" + "1" * 64,
    settings={},
    layers=("sha256:" + "2" * 64, "sha256:" + "3" * 64),
    entries=(Entry("/opt/site-packages/torch-2.13.0+cpu.dist-info/METADATA", "file", 0o644),),
)


def made(variant: str = "cpu", kind: str = "debian", packages: str = DEBS) -> bytes:
    inputs = inputs_for(variant, project_root())
    return bill(inputs.tag(BASES[kind]), MANIFEST, inputs, BASES[kind], packages if kind == "debian" else "", SLIM)


def components(document: bytes) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(document)["components"]}


def schema() -> Draft7Validator:
    pytest.importorskip("cyclonedx.schema")
    folder = resources.files("cyclonedx.schema") / "_res"
    texts = {path.name: json.loads(path.read_text("utf-8")) for path in folder.iterdir() if path.name.endswith("json")}
    main = texts["bom-1.6.SNAPSHOT.schema.json"]
    # It names the others by their file, beside its own address.
    registry: Registry[Any] = Registry().with_resources(
        [
            (f"http://cyclonedx.org/schema/{name}", Resource.from_contents(text))
            for name, text in texts.items()
            if name.startswith(("spdx", "jsf"))
        ]
    )
    return Draft7Validator(main, registry=registry)


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_what_the_standard_says(variant: str, kind: str) -> None:
    problems = [error.message for error in schema().iter_errors(json.loads(made(variant, kind)))]
    assert problems == []


def test_the_schema_would_notice() -> None:
    wrong = json.loads(made())
    wrong["components"][0]["scope"] = "perhaps"
    assert list(schema().iter_errors(wrong))


def test_it_has_no_clock_and_nothing_random() -> None:
    assert made() == made()
    assert "timestamp" not in json.loads(made())["metadata"]
    inputs = inputs_for("cpu", project_root())
    other = bill(inputs.tag("b"), replace(MANIFEST, image="sha256:" + "9" * 64), inputs, "b", "", SLIM)
    assert json.loads(made())["serialNumber"] != json.loads(other)["serialNumber"]


def test_each_package_of_the_lock_is_in_it_with_its_wheels_digest() -> None:
    torch = components(made())["torch"]
    assert torch["purl"] == "pkg:pypi/torch@2.13.0%2Bcpu"
    assert torch["hashes"] == [
        {"alg": "SHA-256", "content": "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"}
    ]
    assert torch["scope"] == "required"


def test_what_only_installs_is_marked_as_not_in_the_image() -> None:
    found = components(made())
    assert {found[name]["scope"] for name in ("pip", "setuptools")} == {"excluded"}
    inside = json.loads(made())["dependencies"][0]["dependsOn"]
    assert found["torch"]["bom-ref"] in inside
    assert found["pip"]["bom-ref"] not in inside


def test_debians_packages_are_in_it_with_what_is_known_of_them() -> None:
    found = components(made())
    assert found["zlib1g"]["version"] == "1:1.2.13.dfsg-1"
    assert found["zlib1g"]["purl"] == "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64"
    assert found["zlib1g"]["hashes"][0]["content"] == "b" * 64
    assert found["libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64"
    assert "hashes" not in found["libc6"]


def test_a_base_that_is_not_made_here_is_named_by_its_digest() -> None:
    slim = components(made(kind="slim"))["python"]
    assert slim["purl"] == f"pkg:oci/python@sha256%3A{'5' * 64}?arch=amd64&tag=3.11-slim-bookworm"
    assert components(made(kind="own"))["harness-base-own"]["version"] == "sha256:" + "7" * 64
    unknown = components(made(packages=""))["harness-base-debian"]
    assert "not recorded" in unknown["properties"][0]["value"]


def test_our_own_code_is_known_by_the_digest_of_its_layer() -> None:
    assert components(made())["harness"]["hashes"] == [{"alg": "SHA-256", "content": "3" * 64}]
