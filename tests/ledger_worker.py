"""A worker for the chaos tests, in a process of its own: claims, three checkpoints, and now and then a death.

`python ledger_worker.py FOLDER URL NAME LEASE KIND`. It says `committed RUN RUNG` on stdout after each checkpoint.
A candidate whose name is `poison` kills its worker each time, as one that takes all memory does.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ledger_samples import RUNGS, checkpoint

from harness.ledger import Ledger
from harness.ledger.failures import LedgerError
from harness.ledger.queue import LeaseLostError
from harness.ledger.records import Score, State

if TYPE_CHECKING:
    from harness.ledger.records import Claim

#: A no-op job lasts this long on each rung, in seconds, so that there is something to interrupt.
_WORK = 0.004


def say(*words: object) -> None:
    """Tell the test, at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def climb(ledger: Ledger, held: Claim) -> None:
    """All rungs that are left."""
    if held.run.name == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    for rung in range(held.run.rung, len(RUNGS)):
        time.sleep(_WORK)
        state = checkpoint(ledger, held, rung, scores=[Score(seed, "reward", float(rung)) for seed in range(3)])
        say("committed", held.run.id, rung)
        if state is not State.RUNNING:
            return


def keep(ledger: Ledger, held: Claim, lease: float, done: threading.Event) -> None:
    """Renew the lease beside the work."""
    while not done.wait(lease / 3):
        try:
            if not ledger.renew(held, lease):
                return
        except LedgerError:
            continue


def once(ledger: Ledger, name: str, lease: float) -> bool:
    """One claim and its climb; False where nothing was to be had."""
    held = ledger.claim(name, slot=f"{name}/cpu/0", needs=("cpu",), lease=lease, back_off=0.01)
    if held is None:
        return False
    done = threading.Event()
    keeper = threading.Thread(target=keep, args=(ledger, held, lease, done))
    keeper.start()
    try:
        climb(ledger, held)
    except LeaseLostError:
        say("refused", held.run.id, held.attempt)
    finally:
        done.set()
        keeper.join()
    return True


def main() -> None:
    """Work until killed."""
    folder, url, name, lease, kind = sys.argv[1:]
    if kind == "small-disk":  # no file of this process may grow beyond this: to it, the disk is full
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = Path(url.removeprefix("sqlite:///")).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    while True:
        try:
            with Ledger(Path(folder), database=url) as ledger:
                while True:
                    if not once(ledger, name, float(lease)):
                        time.sleep(0.02)
        except LedgerError as error:
            say("ledger-error", error.message, "|", error.remedy)
            time.sleep(0.1)


if __name__ == "__main__":
    main()
