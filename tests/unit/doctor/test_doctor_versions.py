"""Versions are compared by their numbers, release candidates included; a hole is there until its line mended it."""

from __future__ import annotations

import pytest

from harness.doctor.versions import DOCKER_DESKTOP, NVIDIA_TOOLKIT, RUNC, Hole, holes, parse

FINAL = 1 << 30


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.1.12", (1, 1, 12, FINAL)),
        ("v1.17.4", (1, 17, 4, FINAL)),
        ("1.1.5+ds1-1+deb12u1", (1, 1, 5, FINAL)),
        ("1.0.0~rc93+ds1", (1, 0, 0, 93)),
        ("1.4.0-rc.3", (1, 4, 0, 3)),
        ("runc version 1.1.12\ncommit: v1.1.12-0-g51d5e946", (1, 1, 12, FINAL)),
        ("NVIDIA Container Toolkit CLI version 1.17.8", (1, 17, 8, FINAL)),
        ("Docker Desktop 4.44.3 (202357)", (4, 44, 3, FINAL)),
        ("27.5", (27, 5, 0, FINAL)),
        ("", None),
        ("unknown", None),
    ],
)
def test_a_version_is_read(text: str, version: tuple[int, ...] | None) -> None:
    assert parse(text) == version


def test_a_release_candidate_comes_before_its_release() -> None:
    candidate, release, patch = parse("1.4.0-rc.3"), parse("1.4.0"), parse("1.4.1")
    assert candidate is not None
    assert release is not None
    assert patch is not None
    assert candidate < release < patch


def found(known: tuple[Hole, ...], text: str, *, cdi: bool = False) -> list[str]:
    version = parse(text)
    assert version is not None
    return [hole.cve for hole in holes(known, version, cdi=cdi)]


NEW_IN_RUNC = ["CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"]


@pytest.mark.parametrize(
    ("version", "cves"),
    [
        ("1.1.11", ["CVE-2024-21626", *NEW_IN_RUNC]),
        ("1.1.12", NEW_IN_RUNC),
        ("1.1.15", NEW_IN_RUNC),
        ("1.2.7", NEW_IN_RUNC),
        ("1.2.8", []),
        ("1.2.9", []),
        ("1.3.0", NEW_IN_RUNC),
        ("1.3.2", NEW_IN_RUNC),
        ("1.3.3", []),
        ("1.4.0-rc.2", NEW_IN_RUNC),
        ("1.4.0-rc.3", []),
        ("1.4.0", []),
        ("1.5.0", []),
        ("2.0.0", []),
    ],
)
def test_holes_of_runc(version: str, cves: list[str]) -> None:
    assert found(RUNC, version) == cves


@pytest.mark.parametrize(
    ("version", "cves"),
    [
        ("1.16.1", ["CVE-2024-0132", "CVE-2025-23359", "CVE-2025-23266", "CVE-2026-24260"]),
        ("1.16.2", ["CVE-2025-23359", "CVE-2025-23266", "CVE-2026-24260"]),
        ("1.17.3", ["CVE-2025-23359", "CVE-2025-23266", "CVE-2026-24260"]),
        ("1.17.4", ["CVE-2025-23266", "CVE-2026-24260"]),
        ("1.17.8", ["CVE-2026-24260"]),
        ("1.18.2", ["CVE-2026-24260"]),
        ("1.19.0", ["CVE-2026-24260"]),
        ("1.19.1", []),
        ("1.20.0", []),
    ],
)
def test_holes_of_the_nvidia_toolkit(version: str, cves: list[str]) -> None:
    assert found(NVIDIA_TOOLKIT, version) == cves


def test_a_gpu_by_cdi_is_spared_the_hole_in_the_old_hook() -> None:
    assert "CVE-2024-0132" not in found(NVIDIA_TOOLKIT, "1.16.1", cdi=True)
    assert "CVE-2025-23266" in found(NVIDIA_TOOLKIT, "1.16.1", cdi=True)


def test_holes_of_docker_desktop() -> None:
    assert found(DOCKER_DESKTOP, "4.44.2") == ["CVE-2025-9074"]
    assert found(DOCKER_DESKTOP, "4.44.3") == []
