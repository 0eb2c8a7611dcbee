"""`bench/gpu/run.sh`: what has to be seen on a GPU, part by part, into one JSON file and a table.

Each part is a process of its own with a time limit, and all together have one. The first that fails stops no other.
Where torch finds no GPU the parts run on the CPU, as a rehearsal: none of them is then told as seen. Exit code 1 where
a part, or a rehearsal of one, failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that each part may take, and what it is.
PARTS = {
    "worker": (150, "sandbox worker and oracle: P316 over the catalogue"),
    "system-calls": (60, "system calls of a worker against seccomp-cuda.json"),
    "fine-tune": (150, "fine-tune, oracle against in-process"),
    "two-at-once": (120, "two trainings on one GPU"),
    "reference-cache": (90, "kept reference against a live one"),
    "reviews": (150, "the rung `reviews`, GPU against CPU"),
    "passthrough": (120, "the GPU in a container of Podman and crun, by CDI and by device"),
}
WHOLE = 570.0
_NO_GPU = "torch finds no GPU: rehearsed on the CPU"
_FACTS = """
import json, torch
card = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
print(json.dumps({"card": card, "torch": torch.__version__, "cuda": torch.version.cuda}))
"""


def main() -> int:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="bench/gpu/run.sh", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu.json", help="where the results go (JSON)")
    parser.add_argument("--small", action="store_true", help="little to do: shows that it works")
    parser.add_argument("--seconds", type=float, default=WHOLE, help="for all parts together")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.parts) - set(PARTS)):
        parser.error(f"there is no part {unknown[0]!r}")
    until = time.monotonic() + chosen.seconds
    results: dict[str, Any] = {"small": chosen.small, "machine": machine(), "parts": {}}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    for name in chosen.parts or PARTS:
        seconds = min(PARTS[name][0], until - time.monotonic())
        began = time.monotonic()
        told = judged(name, done(name, seconds, small=chosen.small), seen=results["machine"]["card"] is not None)
        results["parts"][name] = told | {"seconds": round(time.monotonic() - began, 1)}
        # After each part: whatever ends this, what was seen is there.
        chosen.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        print(line(name, results["parts"][name]), flush=True)
    print(f"\n{results['machine']['card'] or 'no GPU'}, results in {chosen.out}")
    return int(any(told["status"] == "failed" for told in results["parts"].values()))


def machine() -> dict[str, Any]:
    """The card, its driver, and versions. Nothing that names the machine."""
    out: dict[str, Any] = {"card": None, "driver": None, "python": platform.python_version()}
    told = _output([sys.executable, "-c", _FACTS])
    out |= json.loads(told) if told else {"torch": None}
    queried = _output(["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"])
    if queried:
        out["driver"], out["memory"] = (word.strip() for word in queried.splitlines()[0].split(",", 1))
    return out | {"cores": len(os.sched_getaffinity(0)), "kernel": platform.release().partition("-")[0]}


def done(name: str, seconds: float, *, small: bool) -> dict[str, Any]:
    """What a part came to. It, and all that it started, is gone afterwards."""
    if seconds < 1.0:
        return {"status": "skipped", "reason": "the time for all parts was spent"}
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "out.json", Path(folder) / "log"
        command = [sys.executable, "-W", "ignore", "-m", "bench.gpu.parts", name, str(out)]
        with log.open("wb") as file:
            running = subprocess.Popen(
                [*command, *(["--small"] if small else [])],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
            try:
                running.wait(seconds)
            except subprocess.TimeoutExpired:
                return {"status": "failed", "reason": f"not done after {seconds:.0f} s", "log": _tail(log)}
            finally:
                _end(running)
        try:
            told: dict[str, Any] = json.loads(out.read_text("utf-8"))
        except (OSError, ValueError):
            return {"status": "failed", "reason": f"it ended with {running.returncode}", "log": _tail(log)}
        return told | ({"log": _tail(log)} if told["status"] == "failed" else {})


def judged(name: str, told: dict[str, Any], *, seen: bool) -> dict[str, Any]:
    """What may be said of a part: on a CPU nothing of a GPU was seen, however well it went."""
    told = {"what": PARTS[name][1], **told}
    if seen and told["status"] == "ok" and told["device"] != "cuda":
        return told | {"status": "failed", "reason": f"there is a GPU, and it ran on {told['device']}"}
    if not seen and told["status"] == "ok":
        figures = told.pop("figures")
        return told | {"status": "skipped", "reason": _NO_GPU, "rehearsal": figures}
    return told


def line(name: str, told: dict[str, Any]) -> str:
    """A part for people."""
    figures = told.get("figures") or told.get("rehearsal") or {}
    shown = [f"{key} {_short(value)}" for key, value in figures.items() if isinstance(value, int | float | str)]
    head = f"{name:16} {told['status']:8} {told['seconds']:6.1f} s  {str(told.get('reason', ''))[:300]}"
    return "\n".join([head.rstrip(), *(f"{'':18}{each}" for each in shown)])


def _short(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-3000:]


def _end(running: subprocess.Popen[bytes]) -> None:
    """End the part's session, its children included."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


if __name__ == "__main__":
    sys.exit(main())
