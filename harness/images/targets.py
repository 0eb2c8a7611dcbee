"""What the image is made for, whatever machine builds it: CPython 3.11, x86_64 Linux, glibc 2.28 or later."""

from __future__ import annotations

SANDBOX_PYTHON = "3.11"
#: What sandboxes run in, then what trainers and scorers run in.
SANDBOX_VARIANTS = ("cpu", "cuda")
TRAINER_VARIANTS = ("trainer-cpu", "trainer-cuda")
VARIANTS = (*SANDBOX_VARIANTS, *TRAINER_VARIANTS)
#: What an image can be for, on the command line.
PURPOSES = ("sandbox", "trainer")


def variant_for(purpose: str, device: str) -> str:
    """The variant of an image for "sandbox" or "trainer" on "cpu" or "cuda"."""
    return device if purpose == "sandbox" else f"{purpose}-{device}"


# pip takes --platform literally, so every older baseline whose wheels also run there is spelt out.
SANDBOX_PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)
