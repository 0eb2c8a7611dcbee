"""Layers of the sandbox switched off in the request, one at a time. The product has no such switches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.containers import request, started
from harness.oracle import sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Change = Callable[[dict[str, Any]], object]


def without(word: str) -> Change:
    """Without a security option; without seccomp means unconfined, and not the engine's own list."""

    def change(body: dict[str, Any]) -> None:
        options = [o for o in body["HostConfig"]["SecurityOpt"] if not o.startswith(word)]
        body["HostConfig"]["SecurityOpt"] = [*options, "seccomp=unconfined"] if word == "seccomp" else options

    return change


def host(**settings: Any) -> Change:
    """With other settings of the host's part."""
    return lambda body: body["HostConfig"].update(settings)


def ulimit(name: str) -> Change:
    """Without one of the limits of a process."""

    def change(body: dict[str, Any]) -> None:
        body["HostConfig"]["Ulimits"] = [u for u in body["HostConfig"]["Ulimits"] if u["Name"] != name]

    return change


def network(mode: str) -> Change:
    """With a network: two settings stand against it, and either would do."""

    def change(body: dict[str, Any]) -> None:
        body["NetworkDisabled"] = False
        body["HostConfig"]["NetworkMode"] = mode

    return change


def engines_own_list(body: dict[str, Any]) -> None:
    """With the list of system calls that the engine gives every container: it is longer than ours."""
    body["HostConfig"]["SecurityOpt"] = ["no-new-privileges"]


def unfiltered(body: dict[str, Any]) -> None:
    """Without both security options: runc cannot give an ordinary user our list without the other one."""
    body["HostConfig"]["SecurityOpt"] = ["seccomp=unconfined"]


def changed(change: Change) -> Callable[..., dict[str, Any]]:
    """The request of the product, changed."""

    def made(*arguments: Any, **named: Any) -> dict[str, Any]:
        body = request.container_request(*arguments, **named)
        change(body)
        return body

    return made


def switch_off(monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Have every sandbox of this process started from the changed request."""
    monkeypatch.setattr(started, "container_request", changed(change))


def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the look that is taken before a candidate: then it is left to others to notice."""
    monkeypatch.setattr(sandbox.Sandbox, "_isolated", lambda *_: None)
