"""`harness warm` on the real engine: sandboxes that wait, a check that takes them, and whatever ends either of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hostile import DPO, INVERTED, loss
from support import ROOT, Run, gone, harness_command

from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.containers.engine import sweep
from harness.containers.request import Recipe, container_request, owner_of
from harness.core.processes import start_time
from harness.oracle.sandbox import Sandbox
from harness.sandbox import wire
from harness.warm import place, talk
from harness.warm.take import take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.containers.engine import Engine

pytestmark = pytest.mark.container


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for sockets that no other helper has."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return runtime


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        harness_command(*arguments), capture_output=True, text=True, timeout=600, cwd=ROOT, check=False
    )


@pytest.fixture
def helper(surroundings: Path, engine: Engine) -> Iterator[int]:
    """A helper with two sandboxes; the number of its process. Nothing of it is left in the end."""
    del surroundings
    begun = command("warm")
    assert begun.returncode == 0, begun.stderr
    until(lambda: ": 2 ready" in command("warm", "--status").stdout)
    pid = int(begun.stdout.split()[1])
    yield pid
    mine = made_by(engine, pid)
    command("warm", "--stop")
    until(lambda: not alive(pid))
    gone(engine, mine)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def alive(pid: int) -> bool:
    return bool(start_time(pid))


def made_by(engine: Engine, pid: int) -> list[str]:
    """Containers that wait for somebody, of a helper."""
    return [c["Id"] for c in engine.listed(place.LABEL) if f":{pid}:" in owner_of(c)]


def without_times(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in result.items() if key != "timings"} for result in run.results]


def test_a_check_is_the_same_with_and_without(
    helper: int, harness: Callable[..., Run], write: Callable[..., Path], engine: Engine
) -> None:
    """An accepted one and a rejected one: every byte but the times, and only those say which sandboxes were taken."""
    waiting = made_by(engine, helper)
    assert len(waiting) == 2
    for text in (DPO, INVERTED):
        path = write(text)
        until(lambda: ": 2 ready" in command("warm", "--status").stdout)
        warm, cold = harness("check", path), harness("check", path, "--no-warm")
        assert without_times(warm) == without_times(cold)
        assert warm.code == cold.code == (0 if text is DPO else 1)
        assert "handover" in warm.results[0]["timings"]
        assert "handover" not in cold.results[0]["timings"]
    # Used ones are thrown away: none of the first two waits any more.
    gone(engine, waiting)
    assert (
        harness("check", path, env={"HARNESS_WARM": "0"}).results[0]["timings"].keys()
        == cold.results[0]["timings"].keys()
    )


def test_a_helper_that_is_killed_leaves_nothing_in_the_way(
    helper: int, harness: Callable[..., Run], write: Callable[..., Path], engine: Engine, surroundings: Path
) -> None:
    waiting = made_by(engine, helper)
    os.kill(helper, signal.SIGKILL)
    until(lambda: not alive(helper))
    assert list(surroundings.rglob("*.sock")), "the socket is left, and has to be in nobody's way"
    # They end by themselves; the next start removes what is left of them.
    gone(engine, waiting, running=True)
    run = harness("check", write(DPO))
    assert run.code == 0
    assert "handover" not in run.results[0]["timings"]
    assert [c for c in waiting if engine.state(c)] == []
    assert command("warm", "--status").returncode == 3
    begun = command("warm")
    assert begun.returncode == 0, begun.stderr
    assert len(list(surroundings.rglob("*.sock"))) == 1


@pytest.mark.rest
def test_it_ends_when_nobody_asks_and_there_is_one_of_a_kind(surroundings: Path, engine: Engine) -> None:
    begun = command("warm", "--idle", "15", "--sandboxes", "1")
    assert begun.returncode == 0, begun.stderr
    pid = int(begun.stdout.split()[1])
    second = command("warm")
    assert (second.returncode, "already" in second.stderr) == (2, True)
    mine = made_by(engine, pid)
    assert mine
    until(lambda: not alive(pid))
    assert [c for c in mine if engine.state(c)] == []
    assert list(surroundings.rglob("*.sock")) == []


@pytest.mark.rest
def test_one_that_was_taken_outlives_its_helper_and_a_sweep(helper: int, engine: Engine) -> None:
    with Checker.open(Options(warm=True, gpu="none")) as checker:
        sandbox = Sandbox(checker.engine, checker.recipe)
        try:
            assert sandbox.handed_over is not None
            os.kill(helper, signal.SIGKILL)
            until(lambda: not alive(helper))
            sweep(engine)
            assert engine.state(sandbox.container).get("Running")
            sandbox.wait_ready()
            assert sandbox.versions[0].startswith("3.")
            assert sandbox.reservations == ()
        finally:
            sandbox.close()


@pytest.mark.rest
def test_a_taker_that_is_killed_leaves_nothing(helper: int, write: Callable[..., Path], engine: Engine) -> None:
    waiting = made_by(engine, helper)
    path = write(loss("time.sleep(0.02)"))
    process = subprocess.Popen(
        harness_command("check", path, "--screen", "off"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: len(made_by(engine, process.pid)) == 1 and set(made_by(engine, process.pid)) <= set(waiting))
    (mine,) = made_by(engine, process.pid)
    process.kill()
    process.wait()
    until(lambda: not engine.state(mine).get("Running"))
    sweep(engine)
    assert engine.state(mine) == {}


class Liar:
    """A helper that hands over what it likes, by the socket of the real one."""

    def __init__(self, engine: Engine, recipe: Recipe) -> None:
        self.engine, self.recipe = engine, recipe
        self.key = place.key_of(engine.url, recipe)
        self.made: list[str] = []

    @contextlib.contextmanager
    def giving(self, container: str, stdin: Any) -> Iterator[None]:
        with place.folder(place.folder_path(), make=True) as folder, talk.listen(folder, self.key) as listener:
            thread = threading.Thread(target=self._serve, args=(listener, container, stdin), daemon=True)
            thread.start()
            yield
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _serve(self, listener: socket.socket, container: str, stdin: Any) -> None:
        with contextlib.suppress(OSError):
            one, _ = listener.accept()
            with one:
                one.recv(talk.CAP)
                talk.send(one, {"container": container, "warnings": []}, [stdin.fileno()])

    def start(self, change: Callable[[dict[str, Any]], None]) -> tuple[str, Any]:
        """A sandbox that is ready and says that it is a helper's, made otherwise than asked."""
        body = container_request(self.recipe)
        body["Labels"][place.LABEL] = self.key
        change(body)
        container = self.engine.create(body).container
        self.made.append(container)
        stdin = self.engine.attach(container, "stdin")
        said = self.engine.attach(container, "stdout", "stderr")
        said.settimeout(300.0)
        self.engine.start(container)
        said.recv(wire.HEADER.size)
        said.close()
        return container, stdin


@pytest.fixture
def liar(surroundings: Path, engine: Engine) -> Iterator[Liar]:
    del surroundings
    with Checker.open(Options(gpu="none")) as checker:
        made = Liar(engine, checker.recipe)
    yield made
    for container in made.made:
        engine.remove(container)


def _without(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["HostConfig"].update({name: value})


#: Sandboxes that isolate less.
LOOSER: dict[str, Callable[[dict[str, Any]], None]] = {
    "memory": lambda body: body["HostConfig"].update({"Memory": 4 << 30, "MemorySwap": 4 << 30}),
    "root": _without("ReadonlyRootfs", False),  # noqa: FBT003 - the engine's own word
    "seccomp": _without("SecurityOpt", ["no-new-privileges", "seccomp=unconfined"]),
    "environment": lambda body: body["Env"].append("PYTHONPATH=/tmp"),
    "label": lambda body: body["Labels"].pop(place.LABEL),
}


@pytest.mark.rest
@pytest.mark.parametrize("name", LOOSER)
def test_a_sandbox_that_isolates_less_is_not_taken(liar: Liar, engine: Engine, name: str) -> None:
    container, stdin = liar.start(LOOSER[name])
    with liar.giving(container, stdin), contextlib.closing(stdin):
        assert take(engine, liar.recipe) is None
    assert engine.state(container) != {}, "what is somebody else's is not removed"


def test_a_sandbox_as_asked_is_taken_from_anybody_and_not_twice(liar: Liar, engine: Engine) -> None:
    """The counterpart of the others: what they were refused for is the one thing that was wrong."""
    container, stdin = liar.start(lambda _: None)
    with contextlib.closing(stdin):
        with liar.giving(container, stdin):
            one = take(engine, liar.recipe)
            assert one is not None
        with liar.giving(container, stdin):
            assert take(engine, liar.recipe) is None
        one.discard(engine)


@pytest.mark.rest
def test_a_sandbox_with_a_candidate_in_it_is_not_taken(liar: Liar, engine: Engine) -> None:
    container, stdin = liar.start(lambda _: None)
    program = json.dumps({"lifetime": 900.0}).encode()
    stdin.sendall(wire.HEADER.pack(wire.MAGIC, wire.LOAD, 7, len(program)) + program)
    with liar.giving(container, stdin), contextlib.closing(stdin):
        assert take(engine, liar.recipe) is None


@pytest.mark.rest
def test_a_helper_that_hangs_costs_a_moment_and_no_verdict(
    liar: Liar, harness: Callable[..., Run], write: Callable[..., Path]
) -> None:
    with place.folder(place.folder_path(), make=True) as folder, talk.listen(folder, liar.key):
        run = harness("check", write(DPO))
    assert run.code == 0
    assert "handover" not in run.results[0]["timings"]
