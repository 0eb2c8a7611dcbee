"""Where the engine is looked for, in which order, and what is said when it is silent."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING

import pytest
from image_doubles import EngineDouble

from harness.containers import endpoint as engine_socket
from harness.containers.endpoint import endpoints, find_engine, get_json, silence
from harness.core.errors import EngineUnavailableError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Move every usual socket and the configuration below a short temporary folder."""
    monkeypatch.setattr(engine_socket, "DOCKER_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(engine_socket, "PODMAN_SOCKET", tmp_path / "podman.sock")
    return tmp_path


def environment(places: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(places), "XDG_RUNTIME_DIR": str(places / "run"), **more}


@pytest.mark.parametrize("place", ["docker.sock", "run/docker.sock", "run/podman/podman.sock", "podman.sock"], ids=str)
def test_each_usual_socket_is_found(places: Path, place: str) -> None:
    with EngineDouble().listening(places / place) as url:
        assert find_engine(environment(places)) == url


def test_docker_comes_before_podman(places: Path) -> None:
    with (
        EngineDouble().listening(places / "podman.sock"),
        EngineDouble().listening(places / "docker.sock") as url,
    ):
        assert find_engine(environment(places)) == url


def test_a_dead_socket_file_is_passed_over(places: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(places / "docker.sock"))
    dead.close()
    with EngineDouble().listening(places / "podman.sock") as url:
        assert find_engine(environment(places)) == url


def test_docker_host_is_never_replaced_by_another_engine(places: Path) -> None:
    with EngineDouble().listening(places / "docker.sock"):
        chosen = environment(places, DOCKER_HOST=f"unix://{places}/mine.sock")
        with pytest.raises(EngineUnavailableError, match=r"mine\.sock.*DOCKER_HOST") as caught:
            find_engine(chosen)
    assert "unset" in caught.value.remedy
    assert caught.value.exit_code == 3


def test_docker_host_wins(places: Path) -> None:
    with (
        EngineDouble().listening(places / "docker.sock"),
        EngineDouble().listening(places / "mine.sock") as url,
    ):
        assert find_engine(environment(places, DOCKER_HOST=url)) == url


def context(places: Path, name: str, host: str) -> None:
    meta = places / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_the_context_in_use_is_obeyed(places: Path) -> None:
    context(places, "lab", f"unix://{places}/lab.sock")
    (places / ".docker" / "config.json").write_text('{"currentContext": "lab"}')
    with EngineDouble().listening(places / "lab.sock") as url:
        assert find_engine(environment(places)) == url


def test_docker_context_variable_beats_the_configured_one(places: Path) -> None:
    context(places, "lab", "unix:///nowhere")
    context(places, "desk", f"unix://{places}/desk.sock")
    (places / ".docker" / "config.json").write_text('{"currentContext": "lab"}')
    with EngineDouble().listening(places / "desk.sock") as url:
        assert find_engine(environment(places, DOCKER_CONTEXT="desk")) == url


def test_an_unknown_context_names_the_way_out(places: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="'lost'") as caught:
        find_engine(environment(places, DOCKER_CONTEXT="lost"))
    assert "docker context" in caught.value.remedy


def test_a_context_called_default_leaves_the_usual_sockets_open(places: Path) -> None:
    (places / ".docker").mkdir()
    (places / ".docker" / "config.json").write_text('{"currentContext": "default"}')
    assert len(endpoints(environment(places))) == 4


def test_nothing_anywhere_lists_what_was_asked_and_what_to_do(places: Path) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        find_engine(environment(places))
    assert caught.value.message.count("no such socket") == 4
    assert "make setup" in caught.value.remedy


def test_a_socket_without_permission_says_so(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_socket, "silence", lambda _url: PermissionError(13, "Permission denied"))
    with pytest.raises(EngineUnavailableError) as caught:
        find_engine(environment(places))
    assert "usermod -aG docker" in caught.value.remedy


def test_an_engine_that_is_unwell_does_not_count(places: Path) -> None:
    with EngineDouble(ping_status=500).listening(places / "docker.sock") as url:
        assert "500" in str(silence(url))


def test_an_engine_that_accepts_and_never_answers_is_given_up(places: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(places / "docker.sock"))
        mute.listen()
        assert isinstance(silence(f"unix://{places}/docker.sock", seconds=0.05), TimeoutError)


def test_something_else_on_the_socket_is_no_engine(places: Path) -> None:
    import threading

    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(places / "docker.sock"))
        other.listen()

        def greet() -> None:
            peer, _ = other.accept()
            peer.recv(1000)
            peer.sendall(b"220 mail ready\r\n")
            peer.close()

        threading.Thread(target=greet, daemon=True).start()
        assert "something else" in str(silence(f"unix://{places}/docker.sock"))


def test_a_tcp_engine_is_asked_for_an_open_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert silence(f"tcp://127.0.0.1:{port}") is None
    assert isinstance(silence(f"tcp://127.0.0.1:{port}"), ConnectionRefusedError)


def test_an_address_of_an_unknown_kind_is_refused() -> None:
    assert "unix://" in str(silence("/var/run/docker.sock"))


def test_get_json_tells_absence_from_failure(places: Path) -> None:
    with EngineDouble().listening(places / "docker.sock") as url:
        assert get_json(url, "/images/none/json") is None
        assert get_json(url, "/images/json") == []
    with (
        EngineDouble(ping_status=500).listening(places / "other.sock") as url,
        pytest.raises(EngineUnavailableError, match="500"),
    ):
        get_json(url, "/_ping")
    with pytest.raises(EngineUnavailableError, match="stopped answering"):
        get_json(f"unix://{places}/gone.sock", "/_ping")
