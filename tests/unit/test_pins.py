"""The same bits on every processor: what the pins bring about, and what is said where one does not hold."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from bench import emulated
from harness.core import pins
from harness.protocol.job import Job, Step

pytest.importorskip("torch")

#: Digests of the probe's bits with the pins; `python -m bench.emulated` found the same under other processors.
BITS = {"sandbox": "f06e2e36a4a92b56", "trainer": "0695736cbce6394e"}
PLACES = {"sandbox": pins.SANDBOX, "trainer": pins.TRAINER}
SEES = (
    "import sys\nfrom harness.sandbox import confinement, preload\ntorch = preload.load_torch(trimmed=False)\n"
    "print(int.from_bytes(confinement.with_pins(bytes(confinement.FACTS.size), torch)[:2], 'little'))\n"
)
SAVES = (
    "import sys, pathlib, torch\nfrom harness.trainer import checkpoint\nfrom harness.trainer.reviews import store\n"
    "folder = pathlib.Path(sys.argv[1])\ncheckpoint.save(folder / 'a', {'w': torch.arange(5.0), 'n': [1, 'x']})\n"
    "store.write_tensors({'w': torch.ones(3)}, folder / 'b', one='1', two='2', three='3', four='4')\n"
)
WITH_AVX2 = Path("/proc/cpuinfo").exists() and {"avx2", "fma"} <= set(Path("/proc/cpuinfo").read_text().split())
#: The functions of another glibc have other last bits; images have theirs.
THIS_GLIBC = platform.libc_ver()[1] == "2.36"


def bits(found: dict[str, str]) -> str:
    kept = {name: digest for name, digest in found.items() if name.split()[0] not in emulated.APPROXIMATE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.skipif(not (WITH_AVX2 and THIS_GLIBC), reason="for the glibc of the images, and AVX2")
def test_pinned_numbers_are_these_on_every_processor_and_others_are_not() -> None:
    assert {place: bits(emulated.told(chosen)) for place, chosen in PLACES.items()} == BITS
    loose = [bits(emulated.told({"ATEN_CPU_CAPABILITY": name})) for name in ("default", "avx2")]
    assert len({*loose, *BITS.values()}) == 4


@pytest.mark.parametrize("without", ["", "ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "GLIBC_TUNABLES"])
def test_a_sandbox_says_whether_its_pins_hold(without: str) -> None:
    chosen = {name: value for name, value in pins.SANDBOX.items() if name != without}
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **chosen}
    done = subprocess.run([sys.executable, "-c", SEES], env=environment, capture_output=True, text=True, check=True)
    assert bool(int(done.stdout) & 1 << 10) == (without == "")


def test_a_processor_without_the_instructions_is_told_before_torch_would_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from harness.trainer import __main__ as trainer

    (tmp_path / "cpuinfo").write_text("flags : fpu sse2 avx\n")
    monkeypatch.setattr(trainer, "_CPUINFO", tmp_path / "cpuinfo")
    for name in trainer.ENVIRONMENT:
        monkeypatch.setenv(name, trainer.ENVIRONMENT[name])
    monkeypatch.setattr(trainer, "_lines", lambda: print)
    Job("reviews", Step.PREPARE, 0, {}, out=str(tmp_path)).write(tmp_path / "job.json")
    assert trainer.main([str(tmp_path / "job.json")]) == trainer.CODES["ours"]
    told = json.loads(capfd.readouterr().out)["failed"]
    assert "no AVX2" in told["message"]
    assert "lscpu" in told["remedy"]


def test_files_of_equal_tensors_are_equal(tmp_path: Path) -> None:
    """The writer of the format orders what stands beside the tensors by chance, in each process anew."""
    found = set()
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)}
        subprocess.run([sys.executable, "-c", SAVES, str(folder)], env=environment, check=True)
        found.add(tuple((folder / name).read_bytes() for name in "ab"))
    assert len(found) == 1


DRAWS = (
    "import hashlib, sys\n{}\nimport numpy as np\nfrom harness.core import pins\n"
    "draw = np.random.default_rng(0).uniform(-20.0, 20.0, 4099)\n"
    "print(hashlib.sha256(np.exp(draw).tobytes() + np.log(abs(draw)).tobytes()).hexdigest(), pins.host_is_pinned())\n"
)
PIN = "from harness.core.pins import pin_host\npin_host()"


def drawn_by(first: str, disabled: str = "") -> list[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "NPY_DISABLE_CPU_FEATURES": disabled}
    words = [sys.executable, "-c", DRAWS.format(first)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.split()


WITH_AVX512 = Path("/proc/cpuinfo").exists() and "avx512bw" in Path("/proc/cpuinfo").read_text().split()


def test_the_host_draws_as_one_without_avx512() -> None:
    pinned = drawn_by(PIN)
    assert pinned[1] == "True"
    if WITH_AVX512:  # what another processor has less of can be turned off here
        assert drawn_by("", "X86_V4 AVX512_ICL AVX512_SPR X86_V3") == pinned
        loose = drawn_by("")
        assert loose[1] == "False"
        assert loose[0] != pinned[0]


def test_the_command_pins_its_numpy_before_anything_loads_it() -> None:
    words = "import sys\nsys.argv = ['harness', '--version']\nfrom harness.cli import main\n"
    words += "try:\n    main()\nexcept SystemExit:\n    pass\nassert 'numpy' not in sys.modules"
    assert drawn_by(words)[-1] == "True"
