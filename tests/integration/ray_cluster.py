"""A Ray cluster of the tests' own: three machines, as far as one can have three.

As root each node is in a network namespace and has a host's name of its own, and a fourth namespace is the switch
between them; the ledger's server is reached through that too. Elsewhere all nodes are on this machine's address.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCK = ROOT / "dockerfiles" / "locks" / "ray.txt"
_SUBNET = "10.213.7"
_MARK = "HARNESS_TEST_RAY_NODE"
_NET = 0x40000000  # CLONE_NEWNET
_START_SECONDS = 300.0
#: Ends well when so many nodes are there.
_COUNT = """
import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False)
until = time.monotonic() + 20
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(0.2)
    if time.monotonic() > until:
        sys.exit(1)
"""
#: `ray`, which gives a node up that is not there after half a minute; this one asks for longer.
_LAUNCH = """
import time
from ray._private import services
from ray.scripts.scripts import main
ask = services.get_node
def patient(*given, **named):
    until = time.monotonic() + 240
    while True:
        try:
            return ask(*given, **named)
        except RuntimeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)
services.get_node = patient
main()
"""
#: Ray's own patience is meant for machines that have nothing else to do. In seconds.
_PATIENCE = {
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120",
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "30",
    "RAY_worker_register_timeout_seconds": "240",
}


def install() -> None:
    """Ray, from its lock, where this environment does not have it."""
    if importlib.util.find_spec("ray") is None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "--only-binary=:all:", "-r", LOCK], check=True)
        importlib.invalidate_caches()


@dataclass
class Node:
    """One machine of the cluster."""

    name: str
    address: str
    cpus: int
    gpus: int
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Cluster:
    """Three nodes, of which the first leads; `apart` tells whether each has a network of its own."""

    folder: Path
    apart: bool
    nodes: list[Node] = field(default_factory=list)
    _listeners: list[socket.socket] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"ray://{self.nodes[0].address}:10001"

    @property
    def _gcs(self) -> str:
        return f"{self.nodes[0].address}:6379"

    def command(self, place: str, words: Sequence[object]) -> list[str]:
        """A command as it is run on a node, or at the switch ("0")."""
        plain = [str(word) for word in words]
        return ["ip", "netns", "exec", self._space(place), *plain] if self.apart else plain

    def _space(self, place: str) -> str:
        return f"harness-{os.getpid()}-{place}"

    def build(self) -> None:
        """Lay the cables."""
        if not self.apart:
            return
        known = "".join(f"{node.address} node-{node.name}\n" for node in self.nodes)
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{known}", encoding="utf-8")
        switch = self._space("0")
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "set", "lo", "up")
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "addr", "add", f"{_SUBNET}.1/24", "dev", "br0")
        _ip("-n", switch, "link", "set", "br0", "up")
        for node in self.nodes:
            space, cable = self._space(node.name), f"to-{node.name}"
            _ip("netns", "add", space)
            _ip("-n", switch, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("-n", switch, "link", "set", cable, "master", "br0", "up")
            _ip("-n", space, "addr", "add", f"{node.address}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def start(self, node: Node) -> None:
        """Start a node."""
        words: list[object] = [sys.executable, "-c", _LAUNCH, "start", "--block", "--disable-usage-stats"]
        words += [f"--node-ip-address={node.address}", f"--num-cpus={node.cpus}", f"--num-gpus={node.gpus}"]
        words += ["--object-store-memory=80000000"]
        if node is self.nodes[0]:
            words += ["--head", "--port=6379", "--ray-client-server-port=10001", "--include-dashboard=false"]
            words += [f"--temp-dir={self.folder}"]
        else:
            words += [f"--address={self._gcs}"]
        if self.apart:
            # `ip netns exec` gives mounts of its own, so that this file of hosts is the node's alone.
            script = 'mount --bind "$0/hosts" /etc/hosts && hostname "$1" && shift && exec "$@"'
            words = ["unshare", "--uts", "sh", "-c", script, self.folder, f"node-{node.name}", *words]
        with (self.folder / f"{node.name}.log").open("ab") as log:
            node.process = subprocess.Popen(
                self.command(node.name, words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**environment(), _MARK: f"{os.getpid()}-{node.name}", "OMP_NUM_THREADS": "1"},
            )

    def wait(self, count: int) -> None:
        """Wait until so many nodes are there; start those again that gave up."""
        words = self.command(self.nodes[0].name, [sys.executable, "-W", "ignore", "-c", _COUNT, self._gcs, count])
        until = time.monotonic() + _START_SECONDS
        while True:
            with subprocess.Popen(words, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL) as asking:
                while asking.poll() is None and not self._given_up(count):
                    time.sleep(0.2)
                asking.kill()
            if not asking.returncode:
                return
            if time.monotonic() > until:
                pytest.fail(f"no cluster: {self.told()}")
            for node in self._given_up(count):
                self.kill(node)
                self.start(node)

    def _given_up(self, count: int) -> list[Node]:
        """Nodes that Ray gave up while they started, as it does on a machine that is busy."""
        return [node for node in self.nodes[:count] if node.process is not None and node.process.poll() is not None]

    def told(self) -> str:
        return "".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))

    def processes(self, node: Node, mark: bytes = b"") -> list[int]:
        """What runs on a node, or what of it names `mark`."""
        owned = f"{_MARK}={os.getpid()}-{node.name}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                mine = entry.name.isdigit() and owned in (entry / "environ").read_bytes()
                if mine and mark in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def kill(self, node: Node) -> None:
        """As by a loss of power: nothing on it says farewell."""
        while found := self.processes(node):
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if node.process is not None:
                node.process.wait()
            time.sleep(0.05)

    def url(self, unix: str, folder: Path) -> str:
        """A database's URL as the nodes reach it: through the switch, where there is one."""
        if not self.apart:
            return unix
        listener = _listen(Path("/run/netns") / self._space("0"), f"{_SUBNET}.1")
        self._listeners.append(listener)
        (upstream,) = folder.glob(".s.PGSQL.*[0-9]")
        threading.Thread(target=_relay, args=(listener, upstream), daemon=True).start()
        name = unix.partition("@/")[2].partition("?")[0]
        return f"postgresql://harness@{_SUBNET}.1:{listener.getsockname()[1]}/{name}"

    def close(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for node in reversed(self.nodes):
            self.kill(node)
        if self.apart:
            for place in ["0", *(node.name for node in self.nodes)]:
                subprocess.run(["ip", "netns", "del", self._space(place)], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _may_part() -> bool:
    """Whether this user may make network namespaces."""
    if os.geteuid() or shutil.which("ip") is None:
        return False
    name = f"harness-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode == 0
    subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    return made


def _listen(space: Path, address: str) -> socket.socket:
    """A listening socket in another network namespace: it stays there, and this process stays where it is."""
    made: list[socket.socket] = []

    def enter() -> None:  # a thread of its own, which ends there
        libc = ctypes.CDLL(None, use_errno=True)
        with space.open("rb") as file:
            if libc.setns(file.fileno(), _NET):
                return
        made.append(socket.create_server((address, 0)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert made, "no socket could be made there"
    return made[0]


def _relay(listener: socket.socket, upstream: Path) -> None:
    """Carry what comes in to a Unix socket, and back."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(upstream))
        except OSError:  # the server is gone
            client.close()
            server.close()
            continue
        threading.Thread(target=_both_ways, args=(client, server), daemon=True).start()


def _both_ways(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=_carry, args=(server, client), daemon=True)
    back.start()
    _carry(client, server)
    back.join()
    client.close()
    server.close()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def running(cpus: int = 2, gpus: Sequence[int] = (0, 2, 2)) -> Iterator[Cluster]:
    """Three nodes with so many cores each, and with as many GPUs as they say they have."""
    install()
    apart = _may_part()
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")), apart)
    own = "127.0.0.1"
    for number, count in enumerate(gpus, 2):
        cluster.nodes.append(Node(str(number), f"{_SUBNET}.{number}" if apart else own, cpus, count))
    try:
        cluster.build()
        for number, node in enumerate(cluster.nodes, 1):
            cluster.start(node)
            # One after the other: they share /tmp, and two that start at once take the same names of sockets there.
            cluster.wait(number)
        yield cluster
    finally:
        cluster.close()


def environment() -> dict[str, Any]:
    """What a driver is started with: nothing that colours or asks."""
    return {**os.environ, **_PATIENCE, "CI": "true", "COLUMNS": "200", "RAY_USAGE_STATS_ENABLED": "0"}
