"""Every way of being stopped: Ctrl-C, a polite end, a kill. No container is left by any of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from engine_proxy import EngineProxy, proxied
from hostile import INVERTED, loss
from support import ROOT, gone, harness_command

from harness.containers.endpoint import find_engine
from harness.containers.engine import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support import Run

    from harness.containers.engine import Engine

pytestmark = pytest.mark.container


def eventually(condition: Callable[[], bool], seconds: float = 600.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


#: Takes a while at every call, and stays below the limits.
SLOW = loss("time.sleep(0.02)")
#: A process that was started in the background ignores Ctrl-C, and so do its children: these must not.
HEEDING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"


@pytest.fixture
def proxy(tmp_path: Path, engine: Engine) -> Iterator[EngineProxy]:
    with proxied(find_engine(), tmp_path / "engine.sock") as made:
        yield made
    # Those of a process that had to be killed wait for the next start.
    for container in made.created:
        engine.remove(container)


@contextlib.contextmanager
def running(proxy: EngineProxy, write: Callable[..., Path], *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A check of four slow candidates that has made its first containers."""
    for n in range(4):
        folder = write(SLOW, f"slow/{n}.py").parent
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING, *harness_command("check", folder, "--screen", "off", *arguments)],
        env={**os.environ, "DOCKER_HOST": proxy.url, "CI": "true"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert eventually(lambda: process.poll() is not None or any(b"/start" in a for a in proxy.asked))
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(600)
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.rest
@pytest.mark.parametrize("delay", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_no_container(
    proxy: EngineProxy, write: Callable[..., Path], engine: Engine, jobs: int, delay: float
) -> None:
    with running(proxy, write, "--jobs", jobs) as process:
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=600)
        assert process.returncode == 130, out
        assert "Traceback" not in out
        assert proxy.created
        assert [c for c in proxy.created if engine.state(c)] == []


def test_a_path_that_is_missing_leaves_no_container(
    proxy: EngineProxy, harness: Callable[..., Run], engine: Engine, tmp_path: Path
) -> None:
    """The sandbox is asked for before the file is read."""
    run = harness("check", tmp_path / "missing.py", env={"DOCKER_HOST": proxy.url})
    assert run.code == 2
    assert [c for c in proxy.created if engine.state(c)] == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_command_that_ended_has_its_containers_removed(
    proxy: EngineProxy, harness: Callable[..., Run], write: Callable[..., Path], engine: Engine, jobs: int
) -> None:
    """It has told the engine, and nobody else looks after it."""
    paths = [write(INVERTED, f"{number}.py") for number in range(jobs)]
    run = harness("check", *paths, "--jobs", jobs, env={"DOCKER_HOST": proxy.url})
    assert run.code == 1, run.out + run.err
    assert len(proxy.created) >= jobs
    gone(engine, proxy.created)
    told = {line.split(b"?")[0].rpartition(b"/")[2].decode() for line in proxy.asked if line.startswith(b"DELETE")}
    assert told == set(proxy.created)


@pytest.mark.rest
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_polite_end_leaves_no_container(
    proxy: EngineProxy, write: Callable[..., Path], engine: Engine, jobs: int
) -> None:
    with running(proxy, write, "--jobs", jobs) as process:
        time.sleep(1.0)
        process.terminate()
        out, _ = process.communicate(timeout=600)
        assert process.returncode in {130, 143}, out
        assert "Traceback" not in out
        assert [c for c in proxy.created if engine.state(c)] == []


def test_a_harness_that_is_killed_takes_its_container_with_it(
    proxy: EngineProxy, write: Callable[..., Path], engine: Engine
) -> None:
    with running(proxy, write) as process, running(proxy, write) as other:

        def whose(pid: int) -> list[str]:
            return [c for c in list(proxy.created) if f":{pid}:" in owner(engine, c)]

        assert eventually(lambda: bool(whose(process.pid) and whose(other.pid)))
        before = list(proxy.created)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(600)
        # By hanging up: nobody is left who could tell them to end.
        dead = f":{process.pid}:"
        mine = [c for c in before if dead in owner(engine, c)]
        theirs = [c for c in before if f":{other.pid}:" in owner(engine, c)]
        assert mine
        assert theirs
        assert eventually(lambda: not any(engine.state(c).get("Running") for c in mine))
        # The next start removes what is left of it, and nothing of those that live.
        os.kill(other.pid, signal.SIGSTOP)
        living = [c for c in theirs if engine.state(c).get("Running")]
        sweep(engine)
        gone(engine, mine)  # another start of this machine may be removing one at this moment
        assert [c for c in living if not engine.state(c).get("Running")] == []
        os.kill(other.pid, signal.SIGCONT)


@pytest.mark.rest
def test_workers_end_with_the_harness_that_is_killed(proxy: EngineProxy, write: Callable[..., Path]) -> None:
    with running(proxy, write, "--jobs", 2) as process:
        assert eventually(lambda: len(proxy.created) >= 2)
        workers = children(process.pid)
        assert len(workers) >= 2
        os.kill(process.pid, signal.SIGKILL)  # and nobody else of its group
        process.wait(600)
        assert eventually(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))


def children(pid: int) -> list[int]:
    """The processes that a process has begun itself."""
    texts = [(task / "children").read_text("ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(one) for text in texts for one in text.split()]


def owner(engine: Engine, container: str) -> str:
    try:
        return str(engine.client.inspect_container(container)["Config"]["Labels"]["harness.owner"])
    except Exception:  # noqa: BLE001 - it may have been removed in the meantime
        return ""
