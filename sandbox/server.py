"""The forking server: process 1 of the container.

Covered: loading torch once, telling how it is confined as long as it can be believed, a fresh fork for
each START, an end to everything a fork left running, an end to itself when the host goes away. Not
covered: time, memory and process limits (the engine's and the supervisor's), and honesty: a candidate that
takes this process over can only answer with other numbers.

    host --stdin--> server, or its one child      (the child reads while it lives)
    host <--stdout-- server, or its one child
    host <--stderr-- whatever the candidate prints, on either stream
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import select
import signal
import sys
import time
from typing import Any

from . import confinement, leftovers, wire
from .preload import load_torch

_PR_SET_DUMPABLE = 4


def main() -> None:
    """Serve until the host closes its end."""
    # The frames get descriptors of their own; whatever prints goes to stderr, which the host keeps apart.
    requests, replies = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    # A fork may signal its parent; process 1 gets no signal but those that it asks for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Before any candidate, and so to be believed: the host loads none where these facts are not as it asked.
    facts = confinement.facts()
    # A process that is not dumpable cannot be opened by a fork of the same user through /proc.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
    torch = load_torch()
    ready = confinement.with_pins(facts, torch) + f"{platform.python_version()} {torch.__version__}".encode()
    wire.write_frame(replies, wire.READY, 0, ready)
    try:
        _serve(requests, replies, ready)
    except (EOFError, BrokenPipeError):
        _end(requests)


def _serve(requests: int, replies: int, ready: bytes) -> None:
    program: dict[str, Any] | None = None
    until = 0.0
    while True:
        kind, sequence, payload = wire.read_frame(requests)
        if kind == wire.LOAD:
            program = json.loads(payload)
            until = time.monotonic() + program["lifetime"]
            wire.write_frame(replies, wire.LOADED, sequence)
        elif kind == wire.START and program is not None:
            status = _fork(requests, replies, program, sequence, until)
            # An end answers no request, so it carries no request's number.
            wire.write_frame(replies, wire.ENDED, 0, status.to_bytes(4, "little") + bytes([_starved()]))
        elif kind == wire.READY and program is None:
            # Asked by one that this container was handed over to. With a candidate in here, nothing is to be believed.
            wire.write_frame(replies, wire.READY, sequence, ready)
        elif kind == wire.MARK:
            os.write(2, payload)  # behind all that was printed: the two streams reach the host each in its own time


def _fork(requests: int, replies: int, program: dict[str, Any], sequence: int, until: float) -> int:
    """Run one fork to its end, and give its wait status."""
    descriptors = leftovers.remember((0, 1, 2, requests, replies))
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(wake_read)
        os.close(wake_write)
        from .worker import work  # noqa: PLC0415 - only forks need it

        work(requests, replies, program, sequence)
        os._exit(0)
    try:
        return _wait(child, requests, wake_read, descriptors, until)
    finally:
        signal.set_wakeup_fd(-1)
        os.close(wake_read)
        os.close(wake_write)


def _wait(child: int, requests: int, wake: int, descriptors: leftovers.Descriptors, until: float) -> int:
    """Wait for the child's end; end everything where the host goes away first, or the time is over.

    A fork can keep the host's end open, by opening it once more through /proc: the time ends that too.
    """
    poller = select.poll()
    poller.register(requests, 0)  # hang-up only: the child is the one that reads
    poller.register(wake, select.POLLIN)
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            leftovers.kill_strays()
            leftovers.wipe()
            leftovers.restore(descriptors)
            return status
        if pid == 0:
            left = until - time.monotonic()
            if left <= 0:
                _end(requests)
            for fd, event in poller.poll(left * 1000):
                if fd == requests and event & (select.POLLHUP | select.POLLERR):
                    _end(requests)
                if fd == wake:
                    os.read(wake, 4096)


def _starved() -> bool:
    """Whether the kernel has killed a process of this container for want of memory (cgroup v2, else v1)."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123 - pathlib would be imported for this alone
                counts = dict(line.split() for line in file)
        except (OSError, ValueError):
            continue
        return counts.get("oom_kill", "0") != "0"
    return False


def _end(requests: int) -> None:
    leftovers.kill_strays()
    os.close(requests)
    sys.stderr.flush()
    os._exit(0)
