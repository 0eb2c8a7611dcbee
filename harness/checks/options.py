"""How a check is to be done, as given on the command line or in Python."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.profiles import DEFAULT

#: What a report calls the runtime where nobody named one.
DEFAULT_RUNTIME = "the engine's default"


@dataclass(frozen=True)
class Options:
    """Everything that decides about a check besides the candidates.

    `gpu` is auto, none or a number; `runtime` an engine runtime such as runsc; `image` replaces the
    current sandbox image by a tag of the user's own. `data_dir` is a folder of the user's for rungs
    that train on one. `static` stops after the screen, and `screened_ok` makes what passes it count as success.
    `exclude` are patterns of files that are left out of folders. `warm` takes sandboxes that `harness warm` keeps,
    where there are any; it decides about nothing but the time.
    """

    profile: str = DEFAULT
    entry: str | None = None
    seed: int = 0
    jobs: int = 1
    gpu: str = "auto"
    runtime: str | None = None
    static: bool = False
    screened_ok: bool = False
    exclude: tuple[str, ...] = ()
    screen: bool = True
    image: str | None = None
    data_dir: str | None = None
    warm: bool = False
