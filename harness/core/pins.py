"""Which instructions numbers are computed with, so that they are the same on every processor: one place for it.

By default torch, MKL, oneDNN, glibc and numpy each choose at run time, by what the processor has and who made it, and
the choices differ in last bits. docs/reproducibility.md says what was measured. All of these are read when a program
starts, or when the library is first called: they have to be in its environment.
"""

from __future__ import annotations

import os
import sys

#: MKL's only mode in which processors of all makers compute alike.
_MKL = {"MKL_CBWR": "COMPATIBLE"}
#: A sandbox's batches are small, so it does with what every x86-64 has. glibc would choose by AVX2 and FMA.
SANDBOX = {
    **_MKL,
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
}
#: A trainer computes for minutes, and takes AVX2 and FMA for it; among processors that have both, glibc chooses alike.
TRAINER = {
    **_MKL,
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
#: The host draws questions and judges with numpy, which chooses alike on all x86-64 processors without AVX-512.
HOST = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
#: What torch calls the trainer's instructions.
TRAINER_CAPABILITY = "AVX2"


def pin_host() -> None:
    """Have numpy choose as everywhere, in this process and in those that it starts; too late once numpy is loaded."""
    os.environ.update(HOST)


def host_is_pinned() -> bool:
    """Whether numpy, which has to be loaded, chose so: also where a processor leaves it no other choice."""
    features: dict[str, bool] = sys.modules["numpy._core._multiarray_umath"].__cpu_features__
    return not features.get("X86_V4", False)
