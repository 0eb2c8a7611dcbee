"""Each layer switched off, one at a time: which cases of the corpus notice? One that none notices is not tested.

`layers.py [LAYER]...` prints a table. The product has no such switches: they are patches, made here in the process
that checks. The look that the sandbox takes at itself before it sees a candidate is switched off with each layer,
or it would be what notices every time; that it does is tested with `harness doctor`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from harness.checks import replay, suite
from harness.containers import request, started, stream
from harness.oracle import sandbox
from harness.protocol import wire
from harness.protocol.frames import Reader
from harness.screen import front

if TYPE_CHECKING:
    from collections.abc import Callable

    from attack import Attack

SCREEN_ON, SCREEN_OFF = "screen on", "screen off"


@dataclass(frozen=True)
class Layer:
    """One layer: how it is switched off, and the cases (by the beginnings of their names) that must notice."""

    off: Callable[[], None]
    cases: tuple[str, ...]
    mode: str = SCREEN_OFF


def _put(place: object, **instead: Any) -> None:
    """Put something else in place of a part of a module or a class. mypy would refuse the plain assignment."""
    for name, value in instead.items():
        assert hasattr(place, name), name
        setattr(place, name, value)


def _request(change: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Switch off what is a part of the request for a container."""

    def off() -> None:
        def changed(*arguments: Any, **named: Any) -> dict[str, Any]:
            body = request.container_request(*arguments, **named)
            change(body)
            return body

        _put(started, container_request=changed)
        _trust_the_request()

    return off


def _trust_the_request() -> None:
    """Leave out the look at what the sandbox is confined by."""
    _put(sandbox.Sandbox, _isolated=lambda *_: None)


def _host(**settings: Any) -> Callable[[], None]:
    return _request(lambda body: body["HostConfig"].update(settings))


def _drop_security(word: str) -> Callable[[], None]:
    def change(body: dict[str, Any]) -> None:
        options = [o for o in body["HostConfig"]["SecurityOpt"] if not o.startswith(word)]
        body["HostConfig"]["SecurityOpt"] = [*options, "seccomp=unconfined"] if word == "seccomp" else options

    return _request(change)


def _drop_limit(name: str) -> Callable[[], None]:
    def change(body: dict[str, Any]) -> None:
        body["HostConfig"]["Ulimits"] = [u for u in body["HostConfig"]["Ulimits"] if u["Name"] != name]

    return _request(change)


def _queues() -> None:
    def change(body: dict[str, Any]) -> None:
        del body["HostConfig"]["Tmpfs"]["/dev/mqueue"]
        body["HostConfig"]["Ulimits"] = [u for u in body["HostConfig"]["Ulimits"] if u["Name"] != "msgqueue"]

    _request(change)()


def _screen() -> None:
    whole = front.screen
    _put(front, screen=lambda candidate, **named: whole(candidate, **{**named, "policy": False}))


def _byte_cap() -> None:
    whole = stream.Streams

    def uncapped(attached: Any, *, cap: int, **named: Any) -> stream.Streams:
        return whole(attached, cap=cap << 20, **named)

    _put(sandbox, Streams=uncapped)


def _property(rule: str) -> Callable[[], None]:
    """Let a property pass whatever it is answered."""

    def off() -> None:
        run, perform = suite.Suite._run, replay.Replay._perform

        def passing(asked: suite.Suite, item: Any, subject: Any) -> BaseException | None:
            return None if item.rule.id == rule else run(asked, item, subject)

        def by_heart(known: replay.Replay, item: Any, subject: Any) -> str | None:
            return None if item.rule.id == rule else perform(known, item, subject)

        _put(suite.Suite, _run=passing)
        _put(replay.Replay, _perform=by_heart)

    return off


def _strict_wire() -> None:
    _put(wire._Reader, finish=lambda _: None)
    _put(Reader, finish=lambda _: None)


def _host_network(body: dict[str, Any]) -> None:
    body["NetworkDisabled"] = False
    body["HostConfig"]["NetworkMode"] = "host"


LAYERS: dict[str, Layer] = {
    "screen": Layer(_screen, ("35_internet", "49_site_packages"), SCREEN_ON),
    "network": Layer(_request(_host_network), ("35_interfaces",)),
    "read-only root": Layer(_host(ReadonlyRootfs=False), ("41_writes_to_the_root",)),
    "seccomp": Layer(_drop_security("seccomp"), ("36_kernel_crypto", "38_", "91_locks_of_records")),
    "pids": Layer(_host(PidsLimit=300), ("24_thread_bomb",)),
    "memory": Layer(_host(Memory=8 << 30, MemorySwap=8 << 30), ("19_many_tensors",)),
    "byte cap": Layer(_byte_cap, ("27_prints_without_end",)),
    "gradient check": Layer(_property("P306"), ("63_scaled_gradient",)),
    "fork check": Layer(_property("P310"), ("65_turns_once_after_a_while",)),
    "input check": Layer(_property("P311"), ("64_through_data",)),
    "user": Layer(_request(lambda body: body.update(User="0:0")), ("42_setuid", "40_proc_of_others")),
    "file size": Layer(_drop_limit("fsize"), ("21_one_big_file",)),
    "descriptors": Layer(_drop_limit("nofile"), ("29_every_descriptor",)),
    "small /tmp": Layer(_host(Tmpfs={"/tmp": "rw,exec,mode=1777"}), ("30_inode_bomb", "46_library_from_tmp")),
    "terminals": Layer(_request(lambda body: body["HostConfig"]["Tmpfs"].pop("/dev/pts")), ("79_opens_terminals",)),
    "queues": Layer(_queues, ("81_message_queues",)),
    "signals": Layer(_drop_limit("sigpending"), ("81_waiting_signals",)),
    "core limit": Layer(_drop_limit("core"), ("83_asks_for_cores",)),
    "strict wire": Layer(_strict_wire, ("54_one_answer_too_many", "54_fault_with_a_tail")),
}


def switch_off(name: str) -> None:
    """Switch one layer off in this process."""
    LAYERS[name].off()


def put(name: str) -> tuple[Attack, list[str]]:
    """Switch one off and put its cases: what came of it, and who noticed.

    An honest loss is checked beside them only where none of them notices by itself.
    """
    from attack import run  # it switches layers off in its own processes, by this module
    from cases import load

    layer = LAYERS[name]
    cases = [c for c in load() if c.name.startswith(layer.cases) and layer.mode in c.expected]
    for controls in (False, True):
        attack = run(layer.mode, cases, off=name, controls=controls)
        noticed = [c.name for c in cases if attack.verdict_on(c)] + ["ground truth"] * bool(attack.wrong)
        if noticed:
            break
    return attack, noticed


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*LAYERS]), metavar="[LAYER]...")
def main(names: tuple[str, ...]) -> None:
    """Switch them off one by one; 1 where one is not noticed."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("switched off", "cases run", "noticed by", "seconds")
    blind = []
    for name in names or LAYERS:
        started = time.monotonic()
        attack, noticed = put(name)
        if not noticed:
            blind.append(name)
        seconds = f"{time.monotonic() - started:.0f}"
        table.add_row(name, str(len(attack.seen)), ", ".join(noticed) or "NOTHING", seconds)
    console.print(table)
    sys.exit(1 if blind else 0)


if __name__ == "__main__":
    main()
