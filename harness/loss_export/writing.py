"""The folder that an export is: the loss and its limits as data, the code around it, the records, a page about it."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
from importlib import resources
from typing import TYPE_CHECKING, Any

from harness.core import text as sanitize
from harness.core.errors import InfrastructureError, UserError
from harness.core.files import save_bytes
from harness.core.version import __version__
from harness.crate.parts import RECORDS
from harness.loss_export.read_me import read_me
from harness.protocol.wire import pack_program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.loss_export.built_in import BuiltIn
    from harness.loss_export.promoted import Promoted

#: What each form is in, and what it is called there.
FORMS = {
    "trl": ("trl_trainer", "LossTrainer"),
    "torchtune": ("torchtune_loss", "TorchtuneLoss"),
    "torch": ("torch_loss", "TorchLoss"),
}
_MODULE, _SANDBOX = "harness.loss_export.module", "harness.sandbox"
#: An import of a file that is written beside it.
_BESIDE = re.compile(rb"^(\s*)from (?:harness\.loss_export\.module|harness\.sandbox)\.", re.MULTILINE)


def files_of(
    one: Promoted, forms: Sequence[str], answers: Mapping[str, Any], built_in: BuiltIn | None, told: str = ""
) -> dict[str, bytes]:
    """All files by their names.

    `answers` are the oracle's, `built_in` is the loss of trl's that this one is, `told` what else is known of that.
    """
    code = [(_MODULE, name) for name in ("__init__", "loss", "test_bits", *(FORMS[form][0] for form in forms))]
    code += [(_SANDBOX, name) for name in ("guards", "allowlist")]
    out = {
        f"{name}.py": _BESIDE.sub(rb"\1from .", resources.files(package).joinpath(f"{name}.py").read_bytes())
        for package, name in code
    }
    taken_out = one.program.source.encode() != one.candidate.data
    file = "candidate.txt" if taken_out else "candidate.py"
    if taken_out:
        out["code.txt"] = one.program.source.encode()
    known = {
        "schema": "harness.exported-loss/v1",
        "harness": __version__,
        "candidate": {"file": file, "sha256": one.candidate.sha256, "name": sanitize.name(one.run.name)},
        "program": _program(one),
        "limits": limits_of(one),
    }
    out |= {
        file: one.candidate.data,
        "loss.json": (json.dumps(known, indent=1) + "\n").encode(),
        "oracle.json": (json.dumps(answers, indent=1) + "\n").encode(),
        RECORDS: one.records,
        "README.md": read_me(one, forms, file, limits_of(one), built_in, told).encode(),
    }
    return out


def _program(one: Promoted) -> dict[str, Any]:
    """What the sandbox is given of the program, but for what only it has a use for."""
    whole = json.loads(pack_program(one.program))
    return {name: whole[name] for name in ("text", "guarded", "entry", "dialect", "positional", "keyword", "constants")}


def limits_of(one: Promoted) -> dict[str, Any]:
    """Where the loss was judged, and where it was found not to be finite.

    `by_rho`: the map's limits hold for each pair by its rho alone, and at the values that this loss has.
    """
    facts = one.facts
    found = facts["stability"]
    alone = facts.get("of_rho_alone") is True and facts.get("statistic") == "pointwise"
    return {
        "smallest_batch": facts["smallest_batch"],
        "uses": facts["uses"],
        "by_rho": alone and not one.program.plan.parameters,
        "beta": found["domain"]["beta"],
        "reach": found["domain"]["abs_beta_rho"],
        "onset": found["onset"],
    }


def check_folder(folder: Path) -> None:
    """Refuse a place that cannot become the folder, before any work is done. Raises UserError."""
    name = folder.absolute().name
    if not (name.isascii() and name.isidentifier()) or name in {"torch", "trl", "harness"}:
        told = f"{sanitize.path(name)} is no name that a program could import"
        raise UserError(told, remedy="letters, digits and _, such as --to my_loss")
    try:
        empty = not folder.is_symlink() and (not folder.exists() or (folder.is_dir() and not any(folder.iterdir())))
    except OSError as error:
        raise UserError(f"{folder} cannot be looked at: {error.strerror}", remedy="give another folder") from error
    if not empty:
        raise UserError(f"{folder} is there, and is no empty folder", remedy="give another: nothing is written over")
    if not folder.absolute().parent.is_dir():
        raise UserError(f"there is no folder {folder.absolute().parent}", remedy="create it, or give another path")


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the folder whole or not at all. Raises UserError, and InfrastructureError where the disk is full."""
    check_folder(folder)
    with _half(folder.absolute()) as half:
        for name, data in files.items():
            save_bytes(data, half / name)
        try:
            half.rename(folder.absolute())
        except OSError as error:
            raise UserError(f"{folder} could not be made: {error.strerror}", remedy="give another folder") from error


@contextlib.contextmanager
def _half(folder: Path) -> Iterator[Path]:
    """A folder beside that one, gone when the block ends, unless it took that place."""
    half = folder.with_name(f".new-{secrets.token_hex(8)}")
    try:
        half.mkdir()
    except OSError as error:
        kind = UserError if isinstance(error, PermissionError) else InfrastructureError
        raise kind(f"{half} could not be made: {error.strerror}", remedy="check the folder and the disk") from error
    try:
        yield half
    finally:
        shutil.rmtree(half, ignore_errors=True)
