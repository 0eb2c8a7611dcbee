"""What the image is made for, whatever machine builds it: CPython 3.11, x86_64 Linux, glibc 2.28 or later."""

from __future__ import annotations

SANDBOX_PYTHON = "3.11"
VARIANTS = ("cpu", "cuda")
# pip takes --platform literally, so every older baseline whose wheels also run there is spelt out.
SANDBOX_PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)
