"""What a fine-tune of the tests trains on: a model and a preference set in the hub's formats, named for a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "unit" / "trainer_finetune"))
try:
    import finetune_world as world
finally:
    sys.path.pop(0)

SETTINGS: dict[str, Any] = world.SETTINGS


def write_inputs(folder: Path, pairs: int) -> None:
    """Make a model and so many pairs in a project's folder, and name them in its inputs.toml."""
    made = world.parquet(folder / "set" / "train-00000-of-00001.parquet", world.conversations(pairs))
    model = world.model(folder / "model")
    (folder / "inputs.toml").write_text(f'model = "{model}"\npreferences = "{made.parent}"\n', "utf-8")
    for path in folder.rglob("*"):  # a trainer's container has another user
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
