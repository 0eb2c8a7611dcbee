"""A host that fails: disks that are full, memory that is gone, containers and processes killed from outside."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from engine_proxy import EngineProxy, Trap, proxied
from faults import ONE_CONTAINER, no_verdict, told, worker_processes
from hostile import DPO, loss
from support import ROOT, Run, gone, harness_command

from harness.containers.endpoint import find_engine
from harness.containers.engine import sweep
from harness.core.candidate import Candidate
from harness.core.errors import InfrastructureError
from harness.screen import process, screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.containers.engine import Engine
    from harness.images import ImageRef

pytestmark = [pytest.mark.container, pytest.mark.rest]

#: Takes a little while at every call, so that its check takes some seconds.
SLOW = loss("time.sleep(0.002)")


@pytest.fixture
def proxy(tmp_path: Path, engine: Engine) -> Iterator[EngineProxy]:
    """Nothing that was made through it is there at the end, once the next start has swept."""
    with proxied(find_engine(), tmp_path / "engine.sock") as made:
        yield made
    sweep(engine)
    gone(engine, made.created)
    assert worker_processes(made) == []


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that is full."""
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk can be mounted by root alone: {mounted.stderr.strip()}")
    try:
        with contextlib.suppress(OSError), (folder / "ballast").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        yield folder
        assert [path.name for path in folder.iterdir()] == ["ballast"]
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("format_", ["json", "html"])
def test_a_report_for_a_full_disk(
    harness: Callable[..., Run], write: Callable[..., Path], full: Path, format_: str
) -> None:
    """The verdicts are on the terminal; the command does not say that all is well, nor that the user erred."""
    run = harness("check", write(DPO), "--static", "--screened-ok", "--report", f"{format_}={full}/report")
    assert run.code == 3, run.out + run.err
    assert "No space left" in run.err
    assert "next step" in run.err
    assert "SCREENED" in run.out
    assert "Traceback" not in run.err


def test_a_terminal_that_cannot_be_written(write: Callable[..., Path]) -> None:
    command = harness_command("check", write(DPO), "--static", "--screened-ok")
    with Path("/dev/full").open("w") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False, timeout=600
        )
    assert done.returncode == 3, done.stderr


def test_no_room_for_temporary_files(monkeypatch: pytest.MonkeyPatch, full: Path) -> None:
    """As when the disk becomes full after the place for them was chosen."""
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    with pytest.raises(InfrastructureError, match="No space left") as caught:
        screen(Candidate("loss.py", DPO.encode(), "0"))
    assert "TMPDIR" in caught.value.remedy


def test_one_full_place_for_temporary_files_of_several(
    harness: Callable[..., Run], write: Callable[..., Path], full: Path
) -> None:
    assert harness("check", write(DPO), "--static", "--screened-ok", env={"TMPDIR": str(full)}).code == 0


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EAGAIN])
def test_no_memory_for_another_process(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", fails)
    with pytest.raises(InfrastructureError, match="could not be started") as caught:
        screen(Candidate("loss.py", DPO.encode(), "0"))
    assert "memory" in caught.value.remedy


def test_too_little_memory_to_screen_in(write: Callable[..., Path], tmp_path: Path) -> None:
    """A limit of whoever called the harness holds for the screen too, and is no fault of the text."""
    report = tmp_path / "report.json"
    done = subprocess.run(
        harness_command("check", write(DPO), "--static", f"--report=json={report}"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=600,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "UNDECIDED" in done.stdout


def test_a_screening_process_that_the_host_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel does where memory runs out: not by the text, which has limits of its own."""
    start = process._START + "; "
    killing = start.replace("main(sys.argv[3:])", "sys.stdout.write('ready\\n'); sys.stdout.flush()")
    monkeypatch.setattr(process, "_START", killing + "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(InfrastructureError, match="killed from outside") as caught:
        screen(Candidate("loss.py", DPO.encode(), "0"))
    assert "memory" in caught.value.remedy


def test_a_screening_process_that_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_READ_SECONDS", 0.5)
    stopping = process._START.replace("main(sys.argv[3:])", "sys.stdout.write('ready\\n'); sys.stdout.flush()")
    monkeypatch.setattr(process, "_START", stopping + "; import os; os.kill(os.getpid(), 19)")
    with pytest.raises(InfrastructureError, match="processor time"):
        screen(Candidate("loss.py", DPO.encode(), "0"))


# Containers, from outside.


@pytest.fixture
def running(proxy: EngineProxy, write: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start a check of so many slow candidates, and wait until the first one answers."""
    children: list[subprocess.Popen[str]] = []

    def start(count: int, *arguments: object) -> Any:
        answering: list[int] = []
        proxy.seen = lambda stream, carried: answering.append(stream) if carried > 2000 else None
        paths = [write(SLOW if n < 2 else DPO, f"{n}.py") for n in range(count)]
        report = tmp_path / "report.json"
        child = subprocess.Popen(
            harness_command("check", *paths, "--screen", "off", f"--report=json={report}", *arguments),
            env={**os.environ, "DOCKER_HOST": proxy.url, "CI": "true"},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        children.append(child)
        end = time.monotonic() + 600
        while not answering and child.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert child.poll() is None
        assert answering
        return child, report

    yield start
    for child in children:
        with child:
            child.terminate()


def ended(child: subprocess.Popen[str], report: Path) -> Run:
    out, _ = child.communicate(timeout=600)
    return Run(child.returncode, out, "", json.loads(report.read_text("utf-8")) if report.exists() else None)


OUTSIDE: dict[str, list[str]] = {
    "killed": ["docker", "kill"],
    "stopped": ["docker", "stop", "--time", "1"],
    "removed": ["docker", "rm", "--force"],
    "paused": ["docker", "pause"],
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_container_that_somebody_touches(proxy: EngineProxy, running: Callable[..., Any], name: str) -> None:
    """It costs the verdict of its own candidate, and no other."""
    child, report = running(1)
    subprocess.run([*OUTSIDE[name], proxy.created[0]], check=True, capture_output=True, timeout=600)
    no_verdict(ended(child, report))


def test_the_image_disappears_between_two_candidates(proxy: EngineProxy, running: Callable[..., Any]) -> None:
    """An engine keeps an image as long as there is a container of it, so that here the proxy says that it is gone."""
    child, report = running(4, "--profile", ONE_CONTAINER)
    proxy.traps = [Trap("POST .*/containers/create", 404, "No such image: sha256:0", times=9)]
    run = ended(child, report)
    assert run.code == 3, run.out
    first, *_, last = run.results
    assert first["verdict"] == "accepted"
    told(last)
    assert "harness image build" in last["remedy"]


def test_an_image_of_ones_own_that_loses_its_tag_meanwhile(
    engine: Engine, sandbox_image: ImageRef, running: Callable[..., Any]
) -> None:
    """It is the image that was there at the start that all candidates are judged in, and that the report names."""
    tag = f"harness-fault-{os.getpid()}"
    engine.client.tag(sandbox_image.digest, tag, "gone")
    try:
        child, report = running(4, "--image", f"{tag}:gone", "--profile", ONE_CONTAINER)
    finally:
        engine.client.remove_image(f"{tag}:gone")
    run = ended(child, report)
    assert run.code == 0, run.out
    assert {one["environment"]["image_digest"] for one in run.results} == {sandbox_image.digest}


def test_a_foreign_sandbox_stays(engine: Engine, sandbox_image: ImageRef) -> None:
    """The same labels, and an owner who lives, is of another boot or of no form at all: none of ours to remove."""
    from harness.containers import request
    from harness.core.processes import start_time

    boot, _, _ = request.owner().partition(":")
    parent = os.getppid()
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    owners = {
        "alive": f"{boot}:{parent}:{start_time(parent)}",
        "of another boot": f"11111111-2222-3333-4444-555555555555:{int(dead.stdout)}:7",
        "of no form": "somebody",
        "without a number": f"{boot}:x:7",
        "dead": f"{boot}:{int(dead.stdout)}:7",
    }
    made = {}
    try:
        for name, owner in owners.items():
            labels = {request.LABEL: "1", request.OWNER_LABEL: owner}
            body = {"Image": sandbox_image.digest, "Cmd": ["true"], "Labels": labels}
            made[name] = engine.client.create_container_from_config(body)["Id"]
        sweep(engine)
        assert {name for name, container in made.items() if engine.state(container)} == set(owners) - {"dead"}
    finally:
        for container in made.values():
            engine.remove(container)


@pytest.mark.whole
def test_one_of_two_workers_is_killed(proxy: EngineProxy, running: Callable[..., Any], engine: Engine) -> None:
    """What it was about is undecided; the command ends, and its container with it."""
    child, report = running(4, "--jobs", 2)
    mine = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    workers = [pid for pid in mine if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(int(workers[0]), signal.SIGKILL)
    run = ended(child, report)
    assert run.code == 3, run.out
    words = [result["verdict"] for result in run.results]
    assert set(words) <= {"accepted", "undecided"}
    for result in run.results:
        if result["verdict"] == "undecided":
            told(result)
    assert "undecided" in words
    gone(engine, proxy.created, running=True)
