"""What every fault of ours has in common: no verdict, no finding, exit code 3, a message and a next step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine_proxy import EngineProxy
    from support import Run

#: A profile under which a candidate has one container, so that requests and streams can be counted.
ONE_CONTAINER = "2026.1"


def told(result: dict[str, Any]) -> None:
    """An undecided candidate: its reason and the next step are there, and nothing is held against it."""
    assert result["verdict"] == "undecided", result
    assert result["findings"] == []
    assert len(result["reason"]) > 10
    assert len(result["remedy"]) > 10, f"no next step after: {result['reason']}"


def no_verdict(run: Run, *, accepted: int = 0) -> None:
    """All candidates but the first `accepted` are undecided, and the command says so."""
    assert run.code == 3, run.out + run.err
    assert [r["verdict"] for r in run.results[:accepted]] == ["accepted"] * accepted, run.out
    for result in run.results[accepted:]:
        told(result)
    assert "Traceback" not in run.out + run.err
    assert "undecided" in run.out.lower()


def worker_processes(proxy: EngineProxy) -> list[str]:
    """Processes of this host that were told to use the proxy, and still live."""
    mark = f"DOCKER_HOST={proxy.url}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found
