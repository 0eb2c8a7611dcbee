"""The corpus: one hostile candidate a case, the verdict it must get, and the layer that must stop it.

`corpus.toml` has an entry for each file of `corpus/`, and for each of `inputs.py`, which makes what git or an editor
would not keep (other encodings, links, devices, enormous files).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import inputs
import judges

from harness.core.profiles import DEFAULT

if TYPE_CHECKING:
    from harness.core.result import CheckResult
    from harness.core.verdict import Finding

HERE = Path(__file__).parent
FOLDER = HERE / "corpus"
#: What a candidate's text is given instead of these: the path of a file of the host that nobody inside may read.
CANARY = "@CANARY@"
#: As in docs/security.md.
LAYERS = (
    "read once",
    "screen",
    "guards",
    "container",
    "seccomp",
    "limits",
    "image",
    "wire",
    "supervisor",
    "judge",
    "reports",
)
MODES = ("screen on", "screen off", "gVisor")


#: What is said of a candidate that was too late on a host whose processors had other work.
_BUSY = "did not get the processor's time"


@dataclass(frozen=True)
class Expected:
    """`verdict` is "accepted", or rule ids of which a rejection must name one; `says` must match what was told.

    `says` is looked for in what the candidate printed and in the messages of its findings, each behind its rule and
    before its place. It is how a case that is accepted shows that its attack was made, and came to nothing.
    `on_gpu` is what to expect in place of this where the sandbox had a GPU.
    """

    verdict: tuple[str, ...]
    says: str
    on_gpu: Expected | None = None

    def wrong(self, result: CheckResult) -> str:
        """What is not as expected; empty where all is."""
        if self.on_gpu is not None and "GPU" in str(result.environment.get("device")):
            return self.on_gpu.wrong(result)
        findings = getattr(result.verdict, "findings", ())
        told = "\n".join([result.output, *(f"{f.rule} {f.message}{_place(f)}" for f in findings)])
        rules = {f.rule for f in findings} if result.verdict.word == "rejected" else {result.verdict.word}
        if "W203" in self.verdict and _BUSY in getattr(result.verdict, "reason", ""):
            return ""  # a host with other work cannot say whose the time was, and then nobody is accepted
        if not rules & set(self.verdict):
            return f"wanted {' or '.join(self.verdict)}, got {result.verdict.word}: {told or result.verdict}"
        if not re.search(self.says, told):
            return f"nothing in {told!r} matches {self.says!r}"
        return ""


@dataclass(frozen=True)
class Case:
    """One case; `kind` is its class in `classes.toml`, `expected` is there for each mode it runs in."""

    name: str
    kind: int
    layer: str
    expected: dict[str, Expected]
    profile: str = DEFAULT

    def wrong(self, mode: str, result: CheckResult) -> str:
        """What is not as expected in a mode; empty where all is."""
        wrong = self.expected[mode].wrong(result)
        if wrong and mode == "gVisor" and not self.expected["screen off"].wrong(result):
            wrong = ""  # where gVisor was told our list of system calls (--oci-seccomp), it is as without gVisor
        if not wrong and self.name in judges.JUDGES:
            wrong = judges.JUDGES[self.name](result)
        return wrong

    def write(self, folder: Path, canary: Path) -> Path:
        """Put the candidate into a folder, and give its path."""
        source = FOLDER / f"{self.name}.py"
        path = folder / f"{self.name}.py"
        if self.name in inputs.MAKERS:
            return inputs.MAKERS[self.name](path)
        path.write_bytes(source.read_bytes().replace(CANARY.encode(), str(canary).encode()))
        return path


def _place(finding: Finding) -> str:
    place = finding.location
    return f" (line {place.line}, column {place.column})" if place is not None else ""


def _expected(entry: dict[str, object], key: str) -> Expected | None:
    verdict = entry.get(key, entry["off"] if key == "gvisor" else None)
    if not verdict:  # "" in the list: the class is about the screen, and there is nothing to be run here
        return None
    says = entry.get(f"{key}_says", entry.get("off_says", "") if key == "gvisor" else "")
    on_gpu = _expected(entry, f"{key}_on_gpu") if f"{key}_on_gpu" in entry else None
    return Expected(tuple(str(verdict).split()), str(says), on_gpu)


def load() -> tuple[Case, ...]:
    """All cases, by class and name."""
    table = tomllib.loads((HERE / "corpus.toml").read_text("utf-8"))
    cases = []
    for name, entry in table.items():
        modes = {mode: _expected(entry, key) for mode, key in zip(MODES, ("on", "off", "gvisor"), strict=True)}
        known = {mode: one for mode, one in modes.items() if one is not None}
        cases.append(Case(name, int(name[:2]), str(entry["layer"]), known, str(entry.get("profile", DEFAULT))))
    return tuple(sorted(cases, key=lambda c: (c.kind, c.name)))


def titles() -> dict[int, str]:
    """The classes, each with a few words."""
    table = tomllib.loads((HERE / "classes.toml").read_text("utf-8"))
    return {int(number): str(words) for number, words in table.items()}
