"""The engine's answers, sorted: whatever it does wrong is ours, and never a candidate's."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fake_engine import CONTAINER, FakeEngine

from harness.containers import request, sdk
from harness.containers.api import RefusedError, SocketApi
from harness.containers.engine import Created, Engine, sweep
from harness.containers.request import Recipe, container_request
from harness.core.errors import EngineUnavailableError, ImageMissingError, InfrastructureError, UserError
from harness.core.limits import Limits
from harness.core.processes import start_time
from harness.images import engine as image_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def double() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def engine(double: FakeEngine, tmp_path: Path) -> Iterator[Engine]:
    with double.listening(tmp_path / "engine.sock") as url:
        client = Engine(url)
        yield client
        client.close()


@pytest.mark.parametrize("kind", ["a pipe", "a device without an end", "a list", "nested"])
@pytest.mark.parametrize("connect", [lambda url: Engine(url).client, lambda _: image_engine.client()])
def test_settings_that_are_no_file_are_refused_before_the_sdk_reads_them(
    double: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, connect: Callable[[str], object]
) -> None:
    path = tmp_path / "config.json"
    texts = {"a list": "[]", "nested": "[" * 100_000}
    made = {"a pipe": os.mkfifo, "a device without an end": lambda p: p.symlink_to("/dev/zero")}
    made.get(kind, lambda p: p.write_text(texts[kind]))(path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if kind == "a device without an end":  # the SDK would read it until no memory is left
        monkeypatch.setattr("docker.utils.config.load_general_config", dict)
    caught: list[UserError] = []

    def run(url: str) -> None:
        try:
            connect(url)
        except UserError as error:
            caught.append(error)

    with double.listening(tmp_path / "engine.sock") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        thread = threading.Thread(target=run, args=(url,), daemon=True)
        thread.start()
        thread.join(120)
    assert len(caught) == 1, "it waits, or took it"
    assert str(path) in caught[0].message
    assert caught[0].remedy


def test_certificates_that_are_not_there_are_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For every connection: a check's, and that of a build."""
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for connect in (lambda: Engine("tcp://127.0.0.1:1"), lambda: sdk.connect("tcp://127.0.0.1:1", 1.0)):
        with pytest.raises(UserError, match="certificates") as caught:
            connect()
        assert "DOCKER_CERT_PATH" in str(caught.value.remedy)


def test_an_engine_on_the_network_is_spoken_to_by_tls_where_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check's connection has the same settings as that of a build; a socket of this host has none of them."""
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).write_text("", "utf-8")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    seen: list[dict[str, object]] = []
    monkeypatch.setattr(sdk, "APIClient", lambda **settings: seen.append(settings))
    for url in ("tcp://127.0.0.1:2376", "unix:///run/docker.sock"):
        sdk.connect(url, 1.0)
    assert [("tls" in settings, settings["base_url"]) for settings in seen] == [
        (True, "tcp://127.0.0.1:2376"),
        (False, "unix:///run/docker.sock"),
    ]


@pytest.mark.parametrize("text", [None, "", "{}", "no JSON"])
def test_settings_that_the_sdk_reads_or_passes_over_are_none_of_our_business(
    double: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    path = tmp_path / "config.json"
    path.mkdir() if text is None else path.write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with double.listening(tmp_path / "engine.sock") as url, contextlib.closing(Engine(url)) as engine:
        assert engine.client.api_version == "1.41"


def test_a_check_on_this_host_reads_no_settings_of_the_sdks(
    double: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "config.json")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with double.listening(tmp_path / "engine.sock") as url, contextlib.closing(Engine(url)) as engine:
        assert engine.version() == ("20.10", False)


def test_a_container_is_known_by_its_id(engine: Engine) -> None:
    assert engine.create(container_request(Recipe("image", Limits()))) == Created(CONTAINER)


def test_what_the_engine_warns_of_is_kept(engine: Engine, double: FakeEngine) -> None:
    answer = {"Id": CONTAINER, "Warnings": ["Your kernel does not support memory limit capabilities."]}
    double.answers["POST /containers/create"] = (201, answer)
    assert engine.create(container_request(Recipe("image", Limits()))).warnings == tuple(answer["Warnings"])


def test_a_description_is_the_engines_own(engine: Engine, double: FakeEngine) -> None:
    double.answers[f"GET /containers/{CONTAINER}/json"] = (200, {"HostConfig": {"Privileged": True}})
    assert engine.describe(CONTAINER) == {"HostConfig": {"Privileged": True}}


def test_a_description_of_a_container_that_is_gone_is_a_fault_of_ours(engine: Engine) -> None:
    with pytest.raises(InfrastructureError):
        engine.describe(CONTAINER)


def test_a_missing_image_has_its_remedy(engine: Engine, double: FakeEngine) -> None:
    double.answers["POST /containers/create"] = (404, {"message": "No such image: image:latest"})
    with pytest.raises(ImageMissingError) as caught:
        engine.create(container_request(Recipe("image", Limits())))
    assert "harness image build" in caught.value.remedy


def test_a_refusal_is_told_in_the_engines_words(engine: Engine, double: FakeEngine) -> None:
    double.answers["POST /containers/create"] = (500, {"message": "unknown runtime specified runsc"})
    with pytest.raises(InfrastructureError, match="unknown runtime specified runsc"):
        engine.create(container_request(Recipe("image", Limits(), runtime="runsc")))


def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError) as caught:
        Engine(f"unix://{tmp_path}/nothing.sock")
    assert "start it" in caught.value.remedy


def test_an_engine_that_goes_away(double: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with double.listening(path) as url:
        engine = Engine(url)
        engine.close()
    path.unlink()
    with pytest.raises(EngineUnavailableError):
        engine.create(container_request(Recipe("image", Limits())))
    engine.close()


@pytest.mark.parametrize("status", [204, 404, 409])
def test_removing_what_is_gone_or_going_is_fine(engine: Engine, double: FakeEngine, status: int) -> None:
    double.answers[f"DELETE /containers/{CONTAINER}"] = (status, {"message": "removal is already in progress"})
    engine.remove(CONTAINER)
    assert double.asked[-1] == f"DELETE /containers/{CONTAINER}"


def test_a_removal_that_fails_is_said(engine: Engine, double: FakeEngine) -> None:
    double.answers[f"DELETE /containers/{CONTAINER}"] = (500, {"message": "device is busy"})
    with pytest.raises(InfrastructureError, match="device is busy"):
        engine.remove(CONTAINER)


def test_a_removal_that_nobody_waits_for_is_seen_to_at_the_end(engine: Engine, double: FakeEngine) -> None:
    asked = f"DELETE /containers/{CONTAINER}"
    double.answers[asked] = (500, {"message": "it is just ending"})
    engine.another().remove_soon(CONTAINER)
    until(lambda: asked in double.asked)
    double.answers[asked] = (204, None)
    engine.close()
    assert double.asked.count(asked) == 2, "the one that failed was not tried again"


def test_who_leaves_has_told_the_engine_and_does_not_wait(engine: Engine, double: FakeEngine) -> None:
    asked = f"DELETE /containers/{CONTAINER}"
    double.answers[asked] = (500, {"message": "it is just ending"})
    engine.remove_soon(CONTAINER)
    engine.leave()
    engine.close()
    until(lambda: asked in double.asked)
    assert double.asked.count(asked) == 1


@pytest.mark.parametrize("status", [404, 409])
def test_what_is_gone_or_going_needs_no_second_word(engine: Engine, double: FakeEngine, status: int) -> None:
    double.answers[f"DELETE /containers/{CONTAINER}"] = (status, {"message": "no such container"})
    engine.remove_soon(CONTAINER)
    engine.settle()
    assert double.asked.count(f"DELETE /containers/{CONTAINER}") == 1


@pytest.mark.parametrize("way", [SocketApi, sdk.SdkApi])
def test_both_ways_to_an_engine_give_the_same(double: FakeEngine, tmp_path: Path, way: type[SocketApi]) -> None:
    double.answers["DELETE /containers/gone"] = (204, None)
    double.answers["GET /containers/plain"] = (500, "no object")
    with double.listening(tmp_path / "engine.sock") as url:
        ask = way(url, 60.0)
        try:
            assert ask("GET", "/version")["ApiVersion"] == "1.41"
            assert ask("POST", "/containers/create", {"Image": "x"})["Id"] == CONTAINER
            assert double.bodies == [{"Image": "x"}]
            assert ask("DELETE", "/containers/gone", force="1") is None
            for path, status, said in (
                ("/containers/none/json", 404, "No such thing"),
                ("/containers/plain", 500, "no object"),
            ):
                with pytest.raises(RefusedError) as caught:
                    ask("GET", path)
                assert caught.value.status == status
                assert said in caught.value.said
            with pytest.raises(RefusedError) as caught:
                ask.attach(f"/containers/{CONTAINER}/attach", stream="1")
            assert caught.value.status == 404
            assert "No such thing" in caught.value.said
        finally:
            ask.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_state_of_a_container_that_is_gone_is_empty(engine: Engine) -> None:
    assert engine.state(CONTAINER) == {}


def name_of(owner: str) -> str:
    """A container's name that says that this process took it."""
    name = "/" + request.name_for_taker("f" * 64).replace(request.owner().replace(":", "_"), owner.replace(":", "_"))
    assert request.taker_of(name) == owner
    return name


def entry(name: str, owner: str) -> dict[str, object]:
    return {"Id": name, "Labels": {request.LABEL: "1", request.OWNER_LABEL: owner}}


def test_a_sweep_removes_what_dead_owners_left_and_nothing_else(engine: Engine, double: FakeEngine) -> None:
    boot, pid, started = request.owner().split(":")
    parent = os.getppid()
    found = [
        entry("mine", request.owner()),
        entry("living", f"{boot}:{parent}:{start_time(parent)}"),
        entry("dead", f"{boot}:{1 << 30}:12345"),
        # The number was given to another process in the meantime.
        entry("reused", f"{boot}:{parent}:{int(start_time(parent)) + 1}"),
        entry("other-host", f"{'0' * 36}:{1 << 30}:12345"),
        entry("malformed", f"{boot}:x:y"),
        entry("unlabelled", ""),
        # Made by one process, and handed over to another one.
        entry("taken", f"{boot}:{1 << 30}:12345") | {"Names": [f"/{request.name_for_taker('f' * 64)}"]},
        entry("left", request.owner()) | {"Names": [name_of(f"{boot}:{1 << 30}:12345")]},
    ]
    assert pid == str(os.getpid())
    assert started
    double.answers["GET /containers/json"] = (200, found)
    for name in ("dead", "reused", "left"):
        double.answers[f"DELETE /containers/{name}"] = (204, None)
    assert sweep(engine) == 3
    assert [a for a in double.asked if a.startswith("DELETE")] == [
        "DELETE /containers/dead",
        "DELETE /containers/reused",
        "DELETE /containers/left",
    ]
