"""A tree as an ordinary candidate: readable names, one formula a line, the four vectors and beta, torch alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from harness.core.contract import VECTORS
from harness.discover.evolve.grammar import SUM

if TYPE_CHECKING:
    from harness.discover.evolve.tree import Node

#: Longest text of a part that stays within another; what is longer gets a line and a name.
_INLINE = 44

_PC, _PR, _RC, _RR = VECTORS
#: Each margin's name in the text, what it is called when multiplied by beta, and its definition.
_MARGINS = {
    "rho": ("rho", "x", f"({_PC} - {_PR}) - ({_RC} - {_RR})"),
    "policy": ("policy_margin", "policy_x", f"{_PC} - {_PR}"),
    "reference": ("reference_margin", "reference_x", f"{_RC} - {_RR}"),
    "chosen": ("chosen_gain", "chosen_x", f"{_PC} - {_RC}"),
    "rejected": ("rejected_gain", "rejected_x", f"{_PR} - {_RR}"),
}
#: Stems of the names that parts get, by kind.
_STEMS = {"number": "margin", "gate": "gate", "loss": "term"}
#: Operations that a loss is named after.
_NAMED = ("logistic", "hinge", "square", "exponential", "miss", "damp", "blend", "average", "tanh")


class _Writer:
    """Collects the lines of the body while the tree is written out from below."""

    def __init__(self, tree: Node) -> None:
        self.lines: list[str] = []
        self._names: dict[Node, str] = {}
        self._count: Counter[str] = Counter()
        self._used = Counter(part for _, part in tree.walk() if part.size > 1)

    def text(self, tree: Node, need: int) -> str:
        """The text of a part, in brackets where its place asks for them."""
        if tree.kind == "nats":
            return self._margin(tree)
        if tree in self._names:
            return self._names[tree]
        op = tree.op
        args = [self._arg(tree, place) for place in range(len(tree.args))]
        written = op.text.format(*args, c=repr(tree.constants[0]) if tree.constants else "").replace("+ -", "- ")
        if tree.name == "scaled":
            return self._bind(tree, written, _MARGINS[tree.args[0].name][1])
        if tree.size > 1 and (self._used[tree] > 1 or (need > 0 and len(written) > _INLINE)):
            return self._bind(tree, written)
        return f"({written})" if op.binds < need else written

    def _arg(self, tree: Node, place: int) -> str:
        arg = tree.args[place]
        if place == tree.op.twice and arg.size > 1 and arg not in self._names:
            self._bind(arg, self.text(arg, 0))
        return self.text(arg, tree.op.needs[place] or SUM)

    def _bind(self, tree: Node, written: str, name: str = "") -> str:
        if tree in self._names:
            return self._names[tree]
        if not name:
            stem = _STEMS[tree.kind]
            self._count[stem] += 1
            name = f"{stem}_{self._count[stem]}"
        self.lines.append(f"{name} = {written}")
        self._names[tree] = name
        return name

    def _margin(self, tree: Node) -> str:
        name, _, written = _MARGINS[tree.name]
        return self._names.get(tree) or self._bind(tree, written, name)


def name_of(tree: Node) -> str:
    """A name after what the loss is made of, three words at most."""
    parts = [part.name for _, part in tree.walk() if part.name in _NAMED]
    return "_".join(list(dict.fromkeys(parts))[:3]) or "evolved"


def code(tree: Node) -> str:
    """The candidate's text."""
    writer = _Writer(tree)
    result = writer.text(tree, 0)
    body = "".join(f"    {line}\n" for line in [*writer.lines, f"return {result}"])
    arguments = "".join(f"    {name}: torch.Tensor,\n" for name in VECTORS)
    told = '    """Takes four vectors (B,) in nats; returns values (B,)."""\n'
    imports = "import torch\n" + ("import torch.nn.functional as F\n" if "F." in body else "")
    return f"{imports}\n\ndef {name_of(tree)}_loss(\n{arguments}    beta: float,\n) -> torch.Tensor:\n{told}{body}"


def reply(tree: Node, thought: str) -> str:
    """What is handed in: the reply that a language model would give."""
    return json.dumps({"name": name_of(tree), "thought": thought, "parents": [], "code": code(tree)})
