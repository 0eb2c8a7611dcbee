"""The contracts: the arguments a candidate is offered, and how it is to be called.

Notation: B is the number of pairs in a batch. Log-probabilities are summed over the tokens of a
completion, in nats. `rho = (pc - pr) - (rc - rr)`.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The four vectors of shape (B,), in the order in which they cross the wire.
VECTORS = (
    "policy_chosen_logps",
    "policy_rejected_logps",
    "reference_chosen_logps",
    "reference_rejected_logps",
)
#: Vectors of shape (B,), tokens per completion, given to a candidate that names them.
LENGTHS = ("chosen_lengths", "rejected_lengths")
#: Scalars: the inverse temperature, and the training fraction from 0 to 1.
SCALARS = ("beta", "progress")
ARGUMENTS = (*VECTORS, *LENGTHS, *SCALARS)

#: Other names for the same arguments that candidates in the field use.
ALIASES = {
    "pc": "policy_chosen_logps",
    "pr": "policy_rejected_logps",
    "rc": "reference_chosen_logps",
    "rr": "reference_rejected_logps",
    "chosen_logps": "policy_chosen_logps",
    "rejected_logps": "policy_rejected_logps",
    "ref_chosen_logps": "reference_chosen_logps",
    "ref_rejected_logps": "reference_rejected_logps",
}


@dataclass(frozen=True)
class Contract:
    """What a kind of loss is offered: `arguments` by their names or `aliases`.

    A candidate has to take all of `required`. Those in `leading` may be taken by position, under names that say
    nothing. `methods` says whether it may be a method with `self.beta`, `wanted` names the leading ones in a sentence.
    """

    name: str
    arguments: tuple[str, ...]
    required: tuple[str, ...]
    leading: tuple[str, ...]
    aliases: dict[str, str]
    methods: bool
    wanted: str

    def canonical(self, own: str) -> str:
        """The argument that a parameter of this name stands for; the name itself where it stands for none."""
        return self.aliases.get(own, own)


PREFERENCE = Contract(
    "preference", ARGUMENTS, VECTORS[:2], VECTORS, ALIASES, methods=True, wanted="the four log-probability vectors"
)
#: The supervised one: logits of shape (N, C), and the right class of each of N examples, shape (N,), whole numbers.
CLASSIFICATION = Contract(
    "classification",
    ("logits", "targets"),
    ("logits", "targets"),
    ("logits", "targets"),
    dict.fromkeys(("logit", "output", "outputs", "pred", "preds", "prediction", "predictions", "y_pred"), "logits")
    | dict.fromkeys(("input", "inputs", "scores"), "logits")
    | dict.fromkeys(("target", "label", "labels", "y", "y_true"), "targets"),
    methods=False,
    wanted="logits and targets",
)
CONTRACTS = {contract.name: contract for contract in (PREFERENCE, CLASSIFICATION)}


@dataclass(frozen=True)
class CallPlan:
    """How to call a candidate.

    `positional` and `keyword` name arguments of the contract; `keyword` pairs the
    candidate's own parameter name with the contract argument. With dialect "method" the first
    parameter is `self`, an object whose only attribute is `beta`.
    """

    entry: str
    dialect: str
    positional: tuple[str, ...]
    keyword: tuple[tuple[str, str], ...] = ()

    def wants(self, argument: str) -> bool:
        """Say whether the candidate names this contract argument."""
        if argument == "beta" and self.dialect == "method":
            return True
        return argument in self.positional or any(a == argument for _, a in self.keyword)


@dataclass(frozen=True)
class Program:
    """What the sandbox is given: text to compile inside, and the call plan.

    `text` is either the candidate's source as it stands (`guarded` false) or its RestrictedPython
    transformation. `lines[i]` is the candidate's own line for line i + 1 of `text`; empty means the
    lines are the same. `source` is the candidate's source, after a JSON reply or fence was taken off.
    """

    text: str
    guarded: bool
    plan: CallPlan
    name: str
    source: str
    lines: tuple[int, ...] = ()

    def line(self, line: int) -> int:
        """Give the candidate's own line for a line of `text` (0 where unknown)."""
        if not self.lines:
            return line
        return self.lines[line - 1] if 0 < line <= len(self.lines) else 0
