"""The numbers that bound a sandbox. They are part of a profile, and stated in each report."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What one sandbox container may use.

    Times are wall-clock seconds: `start` for the engine and the import of torch (ours, never the candidate's
    fault), `load` for compiling and running the candidate's text, `call` for one request, `total` for all
    requests together; a request of several batches may take `batch` more for each of them. `patience` is how
    many times as long they may take by the clock where the sandbox's own processor does not show that the
    candidate used it, and the host may be the reason; 1 where the clock alone counts. `lifetime` is kept by the
    server inside, and ends a sandbox that nobody is there to end.
    `output` caps what the candidate may print, in bytes, before it is killed; `shown` caps what of it is kept.
    """

    memory: int = 1024 * MIB
    pids: int = 64
    cpus: float = 1.0
    descriptors: int = 256
    file_size: int = 8 * MIB
    tmp_size: int = 16 * MIB
    tmp_inodes: int = 1024
    start: float = 120.0
    load: float = 10.0
    call: float = 10.0
    total: float = 120.0
    batch: float = 0.0
    patience: float = 1.0
    lifetime: float = 900.0
    output: int = 1 * MIB
    shown: int = 4096
