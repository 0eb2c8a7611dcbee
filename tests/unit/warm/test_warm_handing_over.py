"""A sandbox is handed over once, verified by the one who takes it; whatever is wrong, the check makes its own."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_docker import IMAGE, RECIPE, URL, FakeDocker
from isolation_samples import ready_payload

from harness.containers.devices import GpuChoice
from harness.containers.request import LABEL, owner, taker_of
from harness.warm import helper as helpers
from harness.warm import place, talk
from harness.warm.helper import Helper
from harness.warm.supply import Supply
from harness.warm.take import take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fake_docker import FakeContainer

    from harness.containers.engine import Engine
    from harness.containers.started import Started

KEY = place.key_of(URL, RECIPE)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(talk, "SECONDS", 1.0)
    return tmp_path / "harness-warm"


@pytest.fixture
def docker() -> Iterator[FakeDocker]:
    with contextlib.closing(FakeDocker()) as made:
        yield made


def engine_of(docker: FakeDocker) -> Engine:
    return cast("Engine", docker)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextlib.contextmanager
def helping(docker: FakeDocker, count: int = 1, idle: float = 600.0) -> Iterator[Supply]:
    """A helper in a thread of this process, with so many sandboxes ready."""
    with (
        place.folder(place.folder_path(), make=True) as folder,
        contextlib.closing(talk.listen(folder, KEY)) as listener,
    ):
        supply = Supply(engine_of(docker), RECIPE, count)
        made = Helper(listener, supply, idle, lambda: None)
        thread = threading.Thread(target=made.serve)
        thread.start()
        try:
            until(lambda: supply.ready == count)
            yield supply
        finally:
            made.stop()
            thread.join()
            supply.close()


def taken(docker: FakeDocker) -> Started | None:
    return take(engine_of(docker), RECIPE)


# --- handed over


def test_it_is_handed_over_once_and_belongs_to_the_taker(docker: FakeDocker) -> None:
    with helping(docker) as supply:
        one = taken(docker)
        assert one is not None
        assert one.handed_over is not None
        assert one.handed_over.ready == ready_payload()
        assert one.handed_over.processor == 1.5
        about = docker.made[one.container].about
        assert taker_of(about["Name"]) == owner()
        assert about["Config"]["Labels"][place.LABEL] == KEY
        # Nobody else gets it, and no other is started beside the work of who took it.
        assert taken(docker) is None
        assert (supply.ready, len(docker.made)) == (0, 1)
        one.handed_over.keep()
        one.attached.close()
        until(lambda: supply.ready == 1)
        other = taken(docker)
        assert other is not None
        assert other.container != one.container
        assert docker.removed == []
        other.discard(engine_of(docker))
        other.discard(engine_of(docker))  # whoever is asked twice closes nothing that is somebody else's
    assert docker.removed.count(other.container) == 2
    assert one.container not in docker.removed, "it is the taker's to remove"


def test_it_lives_as_long_as_it_is_held(docker: FakeDocker) -> None:
    with helping(docker):
        one = taken(docker)
        assert one is not None
    # The helper is gone.
    assert one.handed_over is not None
    assert docker.made[one.container].about["State"]["Running"]
    one.handed_over.keep()
    until(lambda: not docker.made[one.container].about["State"]["Running"])
    one.attached.close()


def test_one_that_was_given_to_somebody_who_went_away_is_thrown_away(docker: FakeDocker) -> None:
    with helping(docker) as supply:
        with place.folder(place.folder_path()) as folder, talk.connect(folder, KEY) as sock:
            talk.send(sock, {"ask": talk.TAKE})
            message, descriptors = talk.receive(sock)
            talk.close_all(descriptors)
        until(lambda: supply.ready == 1)
        assert docker.removed == [message["container"]]


def test_one_that_ended_is_given_to_nobody(docker: FakeDocker) -> None:
    with helping(docker) as supply:
        first = next(iter(docker.made))
        for out in docker.made[first].outs:
            out.close()
        kept = supply._kept[0]
        kept.stdin.shutdown(socket.SHUT_RDWR)
        until(lambda: supply.ready == 1 and len(docker.made) == 2)
        assert first in docker.removed
        one = taken(docker)
        assert one is not None
        assert one.container != first
        one.discard(engine_of(docker))


def test_one_that_ended_a_moment_ago_is_given_to_nobody(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the thread has looked."""
    monkeypatch.setattr("harness.warm.supply._LOOK", 3600.0)
    with contextlib.closing(Supply(engine_of(docker), RECIPE, 1)) as supply:
        until(lambda: supply.ready == 1)
        supply._kept[0].stdin.shutdown(socket.SHUT_RDWR)
        assert supply.give() is None
        assert len(docker.removed) == 1


def test_from_the_moment_of_giving_nothing_else_is_done(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until whoever took it has it under his name, it looks as if nobody wanted it."""
    monkeypatch.setattr("harness.warm.supply._LOOK", 0.01)
    with contextlib.closing(Supply(engine_of(docker), RECIPE, 1)) as supply:
        until(lambda: supply.ready == 1)
        one = supply.give()
        assert one is not None
        time.sleep(0.5)
        assert (len(docker.made), docker.removed) == (1, [])
        supply.pause(paused=False)
        until(lambda: supply.ready == 1)
        assert docker.removed == [one.container]
        one.stdin.close()


def test_a_helper_that_ends_leaves_nothing(docker: FakeDocker) -> None:
    with helping(docker, count=3):
        pass
    assert sorted(docker.removed) == sorted(docker.made)


def test_it_is_gone_when_nobody_asks_for_long(docker: FakeDocker, runtime: Path) -> None:
    with (
        place.folder(place.folder_path(), make=True) as folder,
        contextlib.closing(talk.listen(folder, KEY)) as listener,
    ):
        supply = Supply(engine_of(docker), RECIPE, 1)
        ready: list[bool] = []
        Helper(listener, supply, 0.5, lambda: ready.append(True)).serve()
        supply.close()
    assert sorted(docker.removed) == sorted(docker.made)
    assert runtime.is_dir()


def test_a_helper_that_can_start_none_ends(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.warm.supply._AFTER_FAILURE", 0.01)
    docker.fails = True
    with (
        place.folder(place.folder_path(), make=True) as folder,
        contextlib.closing(talk.listen(folder, KEY)) as listener,
    ):
        supply = Supply(engine_of(docker), RECIPE, 1)
        Helper(listener, supply, 600.0, lambda: None).serve()
        supply.close()
    assert supply.failure is not None


def test_how_it_is_and_its_end_are_asked_for(docker: FakeDocker) -> None:
    from harness.warm import control

    assert control.ask_all(talk.STATUS) == []
    with helping(docker):
        assert control.ask_all(talk.STATUS) == [control.Told(os.getpid(), 1, IMAGE)]
        assert control.ask_all(talk.STOP) == [control.Told(os.getpid(), 0, IMAGE)]
    assert control.ask_all(talk.STATUS) == []


@pytest.mark.parametrize(
    "message", [b"", b"no JSON", b"[]", b"[" * 9000, b'{"ask": "everything"}', b'{"ask": ["take"]}']
)
def test_what_a_helper_does_not_understand_it_lets_go(docker: FakeDocker, message: bytes) -> None:
    with helping(docker) as supply:
        with place.folder(place.folder_path()) as folder, talk.connect(folder, KEY, 30.0) as sock:
            sock.send(message)
            if message:
                assert sock.recv(100) == b""
        assert supply.ready == 1
        one = taken(docker)
        assert one is not None
        one.discard(engine_of(docker))


# --- what is not believed

#: What is wrong with the container that a helper names.
OTHERWISE: dict[str, Callable[[FakeContainer], object]] = {
    "another image": lambda c: c.about.update(Image="sha256:" + "b" * 64),
    "does not run": lambda c: c.about["State"].update(Running=False),
    "paused": lambda c: c.about["State"].update(Paused=True),
    "entered": lambda c: c.about.update(ExecIDs=["e" * 64]),
    "restarted": lambda c: c.about.update(RestartCount=1),
    "taken before": lambda c: c.about.update(Name=f"/harness-taken-{owner().replace(':', '_')}_{'0' * 12}"),
    "no sandbox": lambda c: c.about["Config"]["Labels"].pop(LABEL),
    "of no helper": lambda c: c.about["Config"]["Labels"].pop(place.LABEL),
    "of another recipe": lambda c: c.about["Config"]["Labels"].update({place.LABEL: "f" * 32}),
    "another command": lambda c: c.about["Config"].update(Entrypoint=["sh"]),
    "another user": lambda c: c.about["Config"].update(User="0:0"),
    "another environment": lambda c: c.about["Config"]["Env"].append("LD_PRELOAD=/tmp/x.so"),
    "a network": lambda c: c.about["HostConfig"].update(NetworkMode="bridge"),
    "more memory": lambda c: c.about["HostConfig"].update(Memory=1 << 40),
    "more processes": lambda c: c.about["HostConfig"].update(PidsLimit=4096),
    "no list of system calls": lambda c: c.about["HostConfig"].update(SecurityOpt=["seccomp=unconfined"]),
    "all privileges": lambda c: c.about["HostConfig"].update(Privileged=True),
    "a mount": lambda c: c.about["HostConfig"].update(Binds=["/:/host"]),
    "a root that can be written": lambda c: c.about["HostConfig"].update(ReadonlyRootfs=False),
    "another id": lambda c: c.about.update(Id="f" * 64),
    "half an account": lambda c: c.about.pop("HostConfig"),
    "used": lambda c: setattr(c, "loaded", True),
    "silent": lambda c: setattr(c, "answers", False),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_container_that_is_not_as_asked_is_not_taken(
    docker: FakeDocker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.warm.take._AGAIN_SECONDS", 0.5)
    with helping(docker):
        (container,) = docker.made.values()
        OTHERWISE[name](container)
        taker = docker.another()
        assert taken(taker) is None
        # What may be somebody else's is not removed, whatever a helper says.
        assert taker.removed == ([container.id] if name in {"used", "silent"} else [])


class Hostile:
    """A helper that answers as it likes."""

    def __init__(self, docker: FakeDocker) -> None:
        self.docker = docker
        self.answer: Callable[[socket.socket], object] = lambda _: None

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one, _ = listener.accept()
            with one:
                one.recv(talk.CAP)
                self.answer(one)
                one.settimeout(30.0)
                one.recv(talk.CAP)


def _says(message: Any, *files: object) -> Callable[[socket.socket], object]:
    def send(sock: socket.socket) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        with Path(os.devnull).open("rb") as null:
            socket.send_fds(sock, [data], [null.fileno()] * len(files))

    return send


def _says_two_sockets(sock: socket.socket) -> None:
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(end) for end in socket.socketpair()]
        message = {"container": "0" * 63 + "1", "warnings": []}
        socket.send_fds(sock, [json.dumps(message).encode()], [end.fileno() for end in ends])


GARBAGE: dict[str, Callable[[socket.socket], object]] = {
    "nothing": lambda _: None,
    "an end": lambda sock: sock.shutdown(socket.SHUT_RDWR),
    "no JSON": _says(b"\xff\x00", 1),
    "too much": _says(b"[" * (talk.CAP - 1), 1),
    "a list": _says([1], 1),
    "no container": _says({}, 1),
    "none there": _says({"container": None, "warnings": []}),
    "a short name": _says({"container": "abc", "warnings": []}, 1),
    "a path": _says({"container": "../" + "a" * 61, "warnings": []}, 1),
    "a container that is not there": _says({"container": "a" * 64, "warnings": []}, 1),
    "no descriptor": _says({"container": "0" * 63 + "1", "warnings": []}),
    "no socket": _says({"container": "0" * 63 + "1", "warnings": []}, 1),
    "two descriptors": _says({"container": "0" * 63 + "1", "warnings": []}, 1, 2),
    "two sockets": _says_two_sockets,
    "eight descriptors": _says({"container": "0" * 63 + "1", "warnings": []}, *range(8)),
    "warnings that are none": _says({"container": "0" * 63 + "1", "warnings": 7}, 1),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_helper_that_answers_garbage_is_not_believed(docker: FakeDocker, name: str) -> None:
    from harness.containers.request import container_request

    docker.create(container_request(replace(RECIPE, labels=((place.LABEL, KEY),))))
    gc.collect()  # what other tests left open is no leak of this one
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with (
        place.folder(place.folder_path(), make=True) as folder,
        contextlib.closing(talk.listen(folder, KEY)) as listener,
    ):
        hostile = Hostile(docker)
        hostile.answer = GARBAGE[name]
        thread = threading.Thread(target=hostile.serve, args=(listener,))
        thread.start()
        assert taken(docker) is None
        thread.join()
    assert docker.removed == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before


def test_an_engine_that_warned_is_heard(docker: FakeDocker) -> None:
    """What it said when the container was made, such as that it cannot limit memory, counts for the taker as well."""
    with helping(docker) as supply:
        kept = supply._kept.popleft()
        supply._kept.append(replace(kept, warnings=("Your kernel does not support memory limit capabilities",)))
        taker = docker.another()
        assert taken(taker) is None
        assert taker.removed == [kept.container]


# --- which ones match


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, image="harness-sandbox:latest"),
        replace(RECIPE, gpu=GpuChoice(0, "cdi")),
        replace(RECIPE, runtime="runsc"),
        replace(RECIPE, podman=True),
    ],
)
def test_none_are_kept_of_other_kinds(other: Any) -> None:
    assert place.key_of(URL, other) == ""
    assert place.key_of("tcp://127.0.0.1:2375", RECIPE) == ""


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, image="sha256:" + "b" * 64),
        replace(RECIPE, limits=replace(RECIPE.limits, memory=1 << 29)),
        replace(RECIPE, limits=replace(RECIPE.limits, cpus=2.0)),
        replace(RECIPE, labels=(("harness.place", "1"),)),
        replace(RECIPE, disk="/dev/sda"),
    ],
)
def test_another_recipe_finds_no_helper(docker: FakeDocker, other: Any) -> None:
    assert place.key_of(URL, other) not in {KEY, ""}
    assert place.key_of("unix:///run/other.sock", RECIPE) != KEY
    with helping(docker):
        assert take(engine_of(docker), other) is None


def test_a_helper_for_an_engine_elsewhere_is_refused() -> None:
    from harness.core.errors import UserError

    with pytest.raises(UserError, match="this engine"):
        helpers.run("tcp://127.0.0.1:2375", RECIPE, count=1, idle=1.0, ready=lambda: None)


# --- who may speak to whom


def test_a_folder_that_others_may_enter_is_not_used(docker: FakeDocker, runtime: Path) -> None:
    with helping(docker):
        runtime.chmod(0o750)
        assert taken(docker) is None
        runtime.chmod(0o700)
        one = taken(docker)
        assert one is not None
        one.discard(engine_of(docker))


def test_a_link_in_the_place_of_the_folder_is_not_followed(docker: FakeDocker, runtime: Path) -> None:
    with helping(docker):
        runtime.rename(runtime.with_name("elsewhere"))
        runtime.symlink_to("elsewhere")
        assert taken(docker) is None
        runtime.unlink()
        runtime.with_name("elsewhere").rename(runtime)


def test_a_folder_of_somebody_else_is_not_used(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: runtime.stat().st_uid + 1)
    with pytest.raises(place.NotPrivateError), place.folder(runtime):
        pass


def test_the_folder_and_the_socket_are_private(docker: FakeDocker, runtime: Path) -> None:
    with helping(docker):
        assert runtime.stat().st_mode & 0o777 == 0o700
        assert (runtime / f"{KEY}.sock").stat().st_mode & 0o777 == 0o600


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def as_another(what: Callable[[], None]) -> int:
    """Do something as another user, in a process; give its exit code."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            what()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - none of it may go on in there
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@as_root
def test_a_stranger_is_not_served(docker: FakeDocker, runtime: Path, tmp_path: Path) -> None:
    """Every door open, so that the kernel's word about who is there is all that is left."""
    with helping(docker) as supply:
        for folder in (runtime, tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == 0 and folder.stat().st_mode & 0o777 == 0o700:
                folder.chmod(0o711)
        (runtime / f"{KEY}.sock").chmod(0o666)

        def ask() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                sock.settimeout(30.0)
                os.chdir(runtime)  # the whole path is too long for an address
                sock.connect(f"{KEY}.sock")
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    talk.send(sock, {"ask": talk.TAKE})
                    assert sock.recv(100) == b"", "it was served"

        assert as_another(ask) == 0
        assert supply.ready == 1


@as_root
def test_a_stranger_is_not_asked(docker: FakeDocker, runtime: Path) -> None:
    """A process of another user that listens in our folder, however it came there."""
    runtime.mkdir(mode=0o700)
    begun, begins = os.pipe()
    with place.folder(runtime) as folder:
        child = os.fork()
        if child == 0:
            try:
                listener = talk.listen(folder, KEY)
                os.setuid(65534)
                listener.listen(1)  # the kernel tells of who said this
                os.write(begins, b"1")
                listener.settimeout(60.0)
                listener.accept()[0].recv(1)
            finally:
                os._exit(0)
        try:
            assert os.read(begun, 1) == b"1"
            with pytest.raises(talk.StrangerError):
                talk.connect(folder, KEY)
            assert taken(docker) is None
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(begun)
            os.close(begins)
