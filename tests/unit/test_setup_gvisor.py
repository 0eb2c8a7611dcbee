"""Registering gVisor: what is there stays, and nothing is changed that is not ours to change."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from harness.setup import gvisor
from harness.setup.steps import SetupError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_other_settings_stay(tmp_path: Path) -> None:
    assert "--oci-seccomp" in gvisor.ARGUMENTS  # or our list of system calls does not hold there
    settings = tmp_path / "docker" / "daemon.json"
    gvisor.register(tmp_path / "runsc", settings)
    document = json.loads(settings.read_text("utf-8"))
    assert document == {"runtimes": {"runsc": {"path": f"{tmp_path}/runsc", "runtimeArgs": list(gvisor.ARGUMENTS)}}}
    document |= {"userns-remap": "default"}
    document["runtimes"]["crun"] = {"path": "/usr/bin/crun"}
    settings.write_text(json.dumps(document), encoding="utf-8")
    gvisor.register(tmp_path / "elsewhere", settings)
    after = json.loads(settings.read_text("utf-8"))
    assert after["userns-remap"] == "default"
    assert after["runtimes"]["crun"] == {"path": "/usr/bin/crun"}
    assert after["runtimes"]["runsc"]["path"] == f"{tmp_path}/elsewhere"


def test_settings_that_are_no_json_are_left_alone(tmp_path: Path) -> None:
    settings = tmp_path / "daemon.json"
    settings.write_text("{,", encoding="utf-8")
    with pytest.raises(SetupError, match="no JSON"):
        gvisor.register(tmp_path / "runsc", settings)
    assert settings.read_text("utf-8") == "{,"


def test_it_is_asked_for_where_it_is_not_ours_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gvisor, "is_registered", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError) as caught:
        gvisor.ensure()
    assert "runsc" in caught.value.remedy


def test_one_that_is_registered_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gvisor, "is_registered", lambda: True)
    monkeypatch.setattr(gvisor, "register", lambda *_: pytest.fail("registered again"))
    gvisor.ensure()
