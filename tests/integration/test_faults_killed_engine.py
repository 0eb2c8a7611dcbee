"""An engine of the test's own, killed in the middle of a check: the real thing that the proxy stands for."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import no_verdict
from hostile import DPO, loss
from support import ROOT, Run, harness_command

from harness.containers.endpoint import silence
from harness.containers.engine import Engine, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.images import ImageRef

pytestmark = [pytest.mark.container, pytest.mark.rest]


class OwnEngine:
    """A dockerd with folders, socket and containerd of its own, and no network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder}/sock"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # In a network of its own: an engine without a bridge would take that of the other one away.
        command = [
            "unshare",
            "--net",
            "dockerd",
            "--host",
            self.url,
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
        ]
        command += [f"--{name}={self._folder / name}" for name in ("data-root", "exec-root", "pidfile")]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 600
        while silence(self.url) is not None:
            assert process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < end
            time.sleep(0.1)
        return process

    def kill(self) -> None:
        """As the kernel does where memory runs out."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start_again(self) -> None:
        """As systemd does, which ends the whole service first: its containerd, and not what keeps the containers."""
        for pid in self._processes(b"containerd.toml"):
            os.kill(pid, signal.SIGKILL)
        for stale in ("containerd.pid", "containerd.sock", "containerd.sock.ttrpc", "containerd-debug.sock"):
            (self._folder / "exec-root" / "containerd" / stale).unlink(missing_ok=True)
        (self._folder / "pidfile").unlink(missing_ok=True)
        self.process = self._start()

    def _processes(self, mark: bytes) -> list[int]:
        """Processes whose command line names this engine's folder and `mark`."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if str(self._folder).encode() in words and mark in words:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """End it and all that it started, and take its folders away."""
        self.process.terminate()
        self.process.wait(600)
        for shim in self._processes(b"containerd-shim"):
            # What it keeps goes first: a container would outlive its keeper.
            for child in Path(f"/proc/{shim}/task/{shim}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        for pid in self._processes(b""):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((p for p in mounted if p.startswith(f"{self._folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture
def own(sandbox_image: ImageRef) -> Iterator[OwnEngine]:
    if os.geteuid() or shutil.which("dockerd") is None:
        pytest.skip("an engine of the test's own takes root and a dockerd")
    # A short path: the sockets of its containerd lie deep below it.
    engine = OwnEngine(Path(tempfile.mkdtemp(prefix="engine-")))
    try:
        saved = subprocess.Popen(["docker", "save", sandbox_image.tag], stdout=subprocess.PIPE)
        with saved:
            subprocess.run(
                ["docker", "--host", engine.url, "load"],
                stdin=saved.stdout,
                check=True,
                capture_output=True,
                timeout=600,
            )
        yield engine
    finally:
        engine.close()


def test_an_engine_that_is_killed(own: OwnEngine, write: Callable[..., Path], tmp_path: Path) -> None:
    """Exit code 3 and the next step; the engine ends the orphans when it is back, and the next start removes them."""
    slow, report = write(loss("time.sleep(0.02)"), "slow.py"), tmp_path / "report.json"
    child = subprocess.Popen(
        harness_command("check", slow, write(DPO, "b.py"), "--screen", "off", f"--report=json={report}"),
        env={**os.environ, "DOCKER_HOST": own.url, "CI": "true"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    connection = Engine(own.url)
    end = time.monotonic() + 600
    while len(connection.client.containers()) < 2 and child.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    left = [container["Id"] for container in connection.client.containers()]
    assert len(left) == 2
    connection.close()
    time.sleep(1.0)
    own.kill()
    out, _ = child.communicate(timeout=600)
    run = Run(child.returncode, out, "", json.loads(report.read_text("utf-8")))
    no_verdict(run)
    assert "systemctl start docker" in out
    own.start_again()
    connection = Engine(own.url)
    try:
        assert sweep(connection) == 2
        assert connection.client.containers(all=True) == []
    finally:
        connection.close()
