"""`python -m bench.emulated [CPU...]`: the same numbers on other processors, by `qemu-x86_64` (Debian's `qemu-user`).

A probe computes functions and products in a process with the pins of `harness.core.pins`, and tells a digest of the
bits of each; so it does without pins, and under emulated processors. What differs from this processor is named. A
processor takes minutes. `--probe` is the probe.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROCESSORS = ("Nehalem", "Haswell", "EPYC")
#: A trainer has to have AVX2 and FMA.
_OLD = ("Nehalem", "SandyBridge")
_SIZES = (1, 3, 8, 17, 33, 100, 1000)
#: By approximate reciprocals of the processor's own, in MKL's mode that is alike everywhere: each maker's differ.
APPROXIMATE = ("sqrt", "atan", "tan")
_FUNCTIONS = "exp log log1p log2 expm1 sigmoid tanh erf erfc sin cos sinh cosh logsigmoid softplus gelu silu softmax"
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def probe() -> dict[str, str]:
    """Digests of the bits of values and gradients, by function and precision."""
    return {name: hashlib.sha256(b"".join(parts)).hexdigest()[:16] for name, parts in _computed()}


def _computed() -> Iterator[tuple[str, list[bytes]]]:
    import torch  # noqa: PLC0415 - the driver does without

    torch.set_num_threads(1)
    for dtype in (torch.float32, torch.float64):
        for name in [*_FUNCTIONS.split(), "pow", "logsumexp", "sum", "product", *APPROXIMATE]:
            parts: list[bytes] = []
            for size in _SIZES:
                draw = random.Random(size)  # noqa: S311 - inputs of a measurement
                x = torch.tensor([draw.uniform(0.01, 20.0) for _ in range(size)], dtype=dtype, requires_grad=True)
                value: Any = _function(name)(x)
                value.sum().backward()
                parts += [t.detach().contiguous().numpy().tobytes() for t in (value, x.grad)]
            yield f"{name} {str(dtype).removeprefix('torch.')}", parts


def _function(name: str) -> Callable[[Any], Any]:
    import torch  # noqa: PLC0415 - see above
    from torch.nn import functional  # noqa: PLC0415 - see above

    ours: dict[str, Callable[[Any], Any]] = {
        "pow": lambda x: x**1.7,
        "softmax": lambda x: x.softmax(0) * x,
        "logsumexp": lambda x: x.logsumexp(0),
        "product": lambda x: torch.outer(x[:64], x[:64]) @ x[:64],
    }
    found: Callable[[Any], Any] = ours.get(name) or getattr(torch, name, None) or getattr(functional, name)
    return found


def told(pins: Mapping[str, str], processor: str = "") -> dict[str, str]:
    """What the probe tells in a process with these in its environment, on this processor or an emulated one."""
    words = ["qemu-x86_64", "-cpu", processor] * bool(processor) + [
        sys.executable,
        "-P",
        str(Path(__file__)),
        "--probe",
    ]
    done = subprocess.run(words, env={**_ENVIRONMENT, **pins}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{processor or 'here'}: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout))


def main(arguments: list[str]) -> int:
    """Compare; 1 where a pinned number differs that should not."""
    parser = argparse.ArgumentParser(prog="python -m bench.emulated", description=__doc__)
    parser.add_argument("cpu", nargs="*", default=PROCESSORS, help="as `qemu-x86_64 -cpu help` names them")
    parser.add_argument("--probe", action="store_true", help="tell the bits of this process")
    chosen_words = parser.parse_args(arguments)
    if chosen_words.probe:
        print(json.dumps(probe()))
        return 0
    from harness.core import pins  # noqa: PLC0415 - the probe does without

    if shutil.which("qemu-x86_64") is None:
        print("there is no qemu-x86_64: install qemu-user")
        return 3
    wrong = 0
    for name, chosen in (("no pins", {}), ("sandbox", pins.SANDBOX), ("trainer", pins.TRAINER)):
        here = told(chosen)
        for processor in chosen_words.cpu:
            if name != "trainer" or processor not in _OLD:
                there = told(chosen, processor)
                apart = [key for key in here if here[key] != there[key]]
                print(f"{name}, {processor}: {len(apart)} of {len(here)} differ: {', '.join(apart)}")
                wrong += bool(chosen) and any(key.split()[0] not in APPROXIMATE for key in apart)
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
