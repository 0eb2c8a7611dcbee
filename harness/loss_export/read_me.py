"""The page of an export: what the loss is, where it holds, how it is used, and what nobody looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.core import text as sanitize
from harness.core.version import __version__
from harness.crate.parts import RECORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.loss_export.built_in import BuiltIn
    from harness.loss_export.promoted import Promoted


def read_me(
    one: Promoted, forms: Sequence[str], file: str, limits: Mapping[str, Any], built_in: BuiltIn | None, told: str
) -> str:
    """The page, in Markdown. `file` is the candidate's, `built_in` and `told` what is known of trl's own losses."""
    more = [name for name in limits["uses"] if name != "beta"]
    paragraphs = [
        *_who(one, file),
        *_limits(limits, more),
        *_use(forms, more),
        *_of_trl(built_in, told),
        *_verdict(file),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _who(one: Promoted, file: str) -> list[str]:
    run, program = one.run, one.program
    where = {k: sanitize.one_line(str(one.result["environment"].get(k, "unknown")), 40) for k in ("torch", "device")}
    facts = [
        f"candidate: `{file}`, SHA-256 `{run.candidate}`, byte for byte as it was submitted",
        f"run {run.id} of the ladder {one.ladder.name}; it is {run.state}",
        f"promoted by: {', '.join(f'{name} ({kind})' for name, kind in one.rungs)}",
        f"rules: {one.profile.name} (`{one.profile.digest[:12]}`), with torch {where['torch']} on {where['device']}",
        f"verify: `harness verify {RECORDS} {file} --accepted`, and `--key THEIRS.pem` where another signed",
    ]
    if program.constants:
        values = ", ".join(f"{name} = {value!r}" for name, value in program.constants.items())
        facts.append(
            f"parameters {'as they were tuned' if program.chosen else 'in the middle of their ranges'}: {values}"
        )
    return [
        f"# {sanitize.markdown(run.name, 80)}: a preference loss that the harness promoted",
        _one_paragraph(f"""
            **This is a candidate's own code, and it runs in your process.** Read `{file}` before you import anything.
            In the harness it ran in a container without network, files or weights, and was judged by its answers alone.
            Here nothing confines it: the guards beside it refuse what the sandbox's refuse, and are no wall.
        """),
        "\n".join(f"- {fact}" for fact in facts),
    ]


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())


def _limits(limits: Mapping[str, Any], more: Sequence[str]) -> list[str]:
    low, high = limits["beta"]
    rows = ["| beta | not finite from rho | or from rho | what stands there |", "|---|---|---|---|"]
    for at in limits["onset"]:
        below, above = (
            "" if end is None else f"{sign} {end:g}" for sign, end in (("<=", at["below"]), (">=", at["above"]))
        )
        none = "" if below or above else "none found"
        rows.append(f"| {at['beta']:g} | {below or none} | {above} | {at.get('kind', '')} |")
    guards = _one_paragraph("""
        `Loss(beta, guard="raise")` raises `NotFiniteError` at them before an optimizer sees a NaN, `guard="warn"`
        warns, `guard="off"` looks at nothing. Values and gradients are looked at as well, wherever they are computed.
    """)
    if not limits["by_rho"]:
        guards += " " + _one_paragraph("""
            They are of single pairs, of rho alone and of the middle of ranges, which does not settle this loss: they
            are told where something is not finite, and nothing is stopped by them beforehand.
        """)
    pairs = limits["smallest_batch"]
    needs = f"It needs {pairs} pair{'s' if pairs > 1 else ''} at a time"
    return [
        "## Limits",
        _one_paragraph(f"""
            Judged from beta {low:g} to {high:g} with |beta rho| up to {limits["reach"]:g}; rho = (pc - pr) - (rc - rr),
            in nats. Found in float32:
        """),
        "\n".join(rows),
        guards,
        f"{needs}, and is also given {' and '.join(more)}." if more else f"{needs}.",
    ]


def _use(forms: Sequence[str], more: Sequence[str]) -> list[str]:
    recipes = f" Its recipes give no {' and no '.join(more)}: in them this loss raises ValueError." if more else ""
    told = {
        "trl": """
            `from FOLDER.trl_trainer import LossTrainer` in place of `trl.DPOTrainer`, with beta in its `DPOConfig`; of
            trl 1.16.0 alone.
        """,
        "torchtune": f"""
            `loss._component_=FOLDER.torchtune_loss.TorchtuneLoss loss.beta=0.1` for a DPO recipe of torchtune, not
            compiled.{recipes}
        """,
        "torch": "`from FOLDER.torch_loss import TorchLoss`; `python -m FOLDER.torch_loss` trains an example.",
    }
    return [
        "## Use",
        "This folder is a package, FOLDER is its name, and it is imported from the folder that it lies in.",
        "\n".join(f"- {form}: {_one_paragraph(told[form])}" for form in forms),
        _one_paragraph("""
            `python -m FOLDER.test_bits` says whether it gives the oracle's bits here, as does pytest on that file: with
            the sandbox's settings, which keep torch to what every x86-64 processor has. Without them, on a GPU or
            compiled, the last bits are others.
        """),
    ]


def _of_trl(built_in: BuiltIn | None, told: str) -> list[str]:
    out = [sanitize.markdown(told, 400)] if told else []
    if built_in is not None:
        out.append(
            _one_paragraph(f"""
                **trl has it built in**: `{built_in.config("BETA")}`. Asked in sandboxes when this was exported, the
                loss and the catalogue's `{built_in.name}` were the same function, to 1e-6 in float64. What differs is
                rounding, since trl writes the formula its own way; that it has no guards; and what trl's other settings
            add. """)
        )
    return out


def _verdict(file: str) -> list[str]:
    return [
        "## What the verdict looked at",
        _one_paragraph("""
            The answers to the questions of these rules, and at the gates above the figures of small trainings. Nobody
            has seen what it does after many thousand calls, on other hardware, at other betas, or where it finds that
            it is no longer in a sandbox, and nobody has read it for you.
        """),
        _one_paragraph(f"""
            Licence and source are what `{file}` says of itself: nothing was added, nothing is vouched for. The other
            files are the harness's ({__version__}, Apache License 2.0).
        """),
    ]
