"""What the set-up does about an engine: use it, start it, install it, or say what a person has to do."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from image_doubles import EngineDouble

from harness.containers import endpoint as engine_socket
from harness.core.errors import EngineUnavailableError
from harness.setup import __main__ as command
from harness.setup import engine, environment, steps
from harness.setup.steps import Display, SetupError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without an engine, without programs, whose user is nobody."""
    monkeypatch.setattr(engine_socket, "DOCKER_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(engine_socket, "PODMAN_SOCKET", tmp_path / "podman.sock")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "bin").mkdir()
    return tmp_path


def program(bare: Path, name: str, body: str) -> None:
    path = bare / "bin" / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def display() -> Display:
    return Display(io.StringIO(), live=False)


def test_an_engine_that_answers_is_used_as_it_is(bare: Path) -> None:
    with EngineDouble().listening(bare / "podman.sock") as url:
        assert engine.ensure(display()) == url


@pytest.mark.usefixtures("bare")
def test_without_root_the_message_says_exactly_what_to_do() -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        engine.ensure(display())
    assert "apt-get install docker.io" in caught.value.remedy
    assert "podman" in caught.value.remedy
    assert caught.value.exit_code == 3


@pytest.mark.usefixtures("bare")
def test_the_command_ends_with_3_and_prints_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "is_ready", lambda _root: True)
    assert command.main(["--no-image"]) == 3
    said = capsys.readouterr()
    assert "no container engine" in said.err
    assert "what to do:" in said.err
    assert said.out == ""


@pytest.mark.usefixtures("bare")
def test_the_environment_alone_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "is_ready", lambda _root: True)
    assert command.main(["--no-engine"]) == 0


def test_a_chosen_engine_that_is_silent_is_not_replaced(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{bare}/mine.sock")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(engine, "start", lambda: pytest.fail("started another engine"))
    with pytest.raises(EngineUnavailableError, match=r"mine\.sock"):
        engine.ensure(display())


@pytest.mark.usefixtures("bare")
def test_root_on_debian_installs_and_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(engine, "may_install", lambda: True)
    monkeypatch.setattr(engine, "apt_install", lambda *names: done.extend(names))
    monkeypatch.setattr(engine, "start", lambda: done.append("started"))
    monkeypatch.setattr(engine, "find_engine", lambda: "unix:///new" if "started" in done else _silent())
    assert engine.ensure(display()) == "unix:///new"
    assert done == ["docker.io", "mmdebstrap", "started"]


def test_a_client_without_an_engine_does_not_stop_the_installation(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "docker", "exit 1")
    test_root_on_debian_installs_and_starts(monkeypatch)


def test_a_client_whose_engine_is_silent_is_told_how_to_start_it(bare: Path) -> None:
    program(bare, "docker", "exit 1")
    with pytest.raises(EngineUnavailableError) as caught:
        engine.ensure(display())
    assert "start an engine" in caught.value.remedy


def test_root_starts_an_engine_that_is_installed(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "dockerd", "exit 0")
    done: list[str] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(engine, "apt_install", lambda *_: pytest.fail("installed what was there"))
    monkeypatch.setattr(engine, "start", lambda: done.append("started"))
    monkeypatch.setattr(engine, "find_engine", lambda: "unix:///old" if done else _silent())
    assert engine.ensure(display()) == "unix:///old"


def _silent() -> str:
    raise EngineUnavailableError("silent")


def test_a_daemon_that_dies_shows_the_end_of_its_log(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "dockerd", "echo no cgroups here; exit 1")
    monkeypatch.setattr(engine, "_has_systemd", lambda: False)
    with pytest.raises(SetupError, match="ended at once") as caught:
        engine.start(seconds=5, log=bare / "log")
    assert "no cgroups here" in caught.value.remedy


def test_a_daemon_is_started_in_its_own_session_and_waited_for(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "dockerd", f"/usr/bin/env true; echo $$ > {bare}/pid; exec /bin/sleep 20")
    monkeypatch.setattr(engine, "_has_systemd", lambda: False)
    monkeypatch.setattr(engine, "_answers", lambda: (bare / "pid").exists() and (bare / "pid").stat().st_size > 0)
    engine.start(seconds=5, log=bare / "log")
    pid = int((bare / "pid").read_text())
    try:
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_a_daemon_that_never_answers_is_given_up(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "dockerd", f"echo $$ > {bare}/pid; exec /bin/sleep 20")
    monkeypatch.setattr(engine, "_has_systemd", lambda: False)
    with pytest.raises(SetupError, match="did not answer"):
        engine.start(seconds=0.5, log=bare / "log")
    assert not Path(f"/proc/{(bare / 'pid').read_text().strip()}").exists()


def test_a_failing_tool_shows_its_last_words() -> None:
    with pytest.raises(SetupError, match="out of cheese") as caught:
        steps.run([sys.executable, "-c", "print('out of cheese'); raise SystemExit(4)"], remedy="buy some")
    assert caught.value.remedy == "buy some"


def test_a_missing_tool_is_our_error_and_not_a_traceback() -> None:
    with pytest.raises(SetupError, match="cannot be run"):
        steps.run(["/nowhere/tool"], remedy="install it")


def test_packages_are_installed_by_root_on_debian_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/usr/bin/apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not steps.may_install(tmp_path)
    (tmp_path / "debian_version").write_text("12.1\n")
    assert steps.may_install(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not steps.may_install(tmp_path)


def test_the_set_up_imports_nothing_but_the_standard_library() -> None:
    probe = (
        "import sys; import harness.setup.__main__; "
        "print(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names) - {'__main__'}))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", probe], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['harness']"
