"""A sandbox answers with the same bits on every processor, and a check with the same bytes whatever is around it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hostile import SIGNATURE
from support import ROOT, harness_command

from harness.subject.batches import batch_of

if TYPE_CHECKING:
    from pathlib import Path

    from support import Sandboxes

pytestmark = pytest.mark.container

TEXT = (
    f"import torch\nimport torch.nn.functional as F\n\ndef loss({SIGNATURE}):\n"
    "    x = beta * ((policy_chosen_logps - policy_rejected_logps)"
    " - (reference_chosen_logps - reference_rejected_logps))\n"
    "    return F.softplus(-x) + torch.exp(-x * x) + torch.tanh(x) - F.logsigmoid(x) + torch.log1p(x * x) + F.gelu(x)\n"
)
#: Of values and gradients; the same on any x86-64 processor with the torch and glibc of this image.
BITS = "486a9b475a4166db"
EXAMPLES = ("examples/dpo.py", "examples/broken/inverted.py")
BUSY = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass\n"


def test_a_sandbox_answers_with_these_bits(sandboxes: Sandboxes) -> None:
    batch = batch_of([(k - 200) / 16 for k in range(401)], 0.7)
    with sandboxes.opened(TEXT) as oracle:
        answer = oracle.answers([batch])[0]
    numbers = (answer.values, *answer.gradients)
    assert hashlib.sha256(b"".join(n.tobytes() for n in numbers)).hexdigest()[:16] == BITS


def report(file: Path, cwd: Path, processors: set[int], **environment: str) -> list[dict[str, Any]]:
    """The results without their timings, as told by a command in these surroundings."""
    words = harness_command("check", *(str(ROOT / name) for name in EXAMPLES), f"--report=json={file}")
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=600,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(file.read_text("utf-8"))
    for result in told["results"]:
        del result["timings"]
        result.pop("path", None)
    return list(told["results"])


@pytest.mark.rest
def test_nothing_around_a_check_changes_a_byte_of_its_report(tmp_path: Path) -> None:
    """Hash seed, processors, locale, time zone, folders and load."""
    every = os.sched_getaffinity(0)
    places = [tmp_path / "deep" / "er", tmp_path / "temporary"]
    for place in places:
        place.mkdir(parents=True)
    plain = report(tmp_path / "plain.json", ROOT, every)
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(len(every) + 1)]
    try:
        around = {"PYTHONHASHSEED": "4711", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE", "TZ": "Asia/Kathmandu"}
        around |= {"TMPDIR": str(places[1]), "ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2"}
        other = report(tmp_path / "other.json", places[0], {min(every)}, **around)
    finally:
        for each in busy:
            each.kill()
            each.wait()
    assert json.dumps(plain).replace(str(ROOT), "") == json.dumps(other).replace(str(ROOT), "")
