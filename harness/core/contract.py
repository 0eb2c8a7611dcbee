"""The contracts: what a kind of loss is offered, by name, and what it gives back. Each is one declaration.

Notation: B is the number of pairs or lists in a batch, N of examples, C of classes, K of answers in a list.
Log-probabilities are summed over the tokens of a completion, in nats. `rho = (pc - pr) - (rc - rr)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Tensor:
    """A tensor that a loss is given, with the names of its dimensions; the first of them is the batch's.

    Numbers are of the batch's dtype, float32 or float64, and finite. Where `below` names a dimension they are whole
    numbers (int64), from 0 up to its size and without it. The gradient with respect to `differentiated` ones is asked.
    """

    name: str
    dimensions: tuple[str, ...]
    differentiated: bool = False
    below: str = ""

    @property
    def said(self) -> str:
        """Its name in a sentence."""
        return self.name.removesuffix("_logps").replace("_", " ")


@dataclass(frozen=True)
class Scalar:
    """A number that a loss is given: finite, from `low` to `high`, or between them where the ends are `open`."""

    name: str
    low: float
    high: float
    open: bool = False

    def allows(self, value: float) -> bool:
        """Whether it may have this value."""
        inside = self.low < value < self.high if self.open else self.low <= value <= self.high
        return math.isfinite(value) and inside


@dataclass(frozen=True)
class Hint:
    """Words by which parameters of candidates name an argument; `weak` ones where no other argument is named."""

    words: frozenset[str]
    weak: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Contract:
    """What a kind of loss is offered, and how it may take it.

    A loss gives one value for each row, shape (rows,), or a single one, shape (). A candidate has to take all of
    `required`. Those in `leading` may be taken by position, under names that say nothing. `aliases` are other names of
    arguments, `hints` words in names; without any the names are read as those of the two completions of a pair
    (`harness.screen.binding`). `methods` says whether it may be a method with `self.beta`, `tunable` whether it may
    declare parameters of its own, `wanted` names the leading ones in a sentence, and `row` what one row is.
    """

    name: str
    row: str
    tensors: tuple[Tensor, ...]
    scalars: tuple[Scalar, ...]
    required: tuple[str, ...]
    leading: tuple[str, ...]
    aliases: dict[str, str]
    wanted: str
    hints: tuple[tuple[str, Hint], ...] = ()
    methods: bool = False
    tunable: bool = False

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names of all that it offers: tensors, then numbers."""
        return (*(tensor.name for tensor in self.tensors), *(scalar.name for scalar in self.scalars))

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """The names of all dimensions, in the order in which tensors first have them."""
        return tuple(dict.fromkeys(name for tensor in self.tensors for name in tensor.dimensions))

    @cached_property
    def differentiated(self) -> tuple[Tensor, ...]:
        """The tensors whose gradients are asked."""
        return tuple(tensor for tensor in self.tensors if tensor.differentiated)

    def __reduce__(self) -> tuple[Callable[[str], Contract], tuple[str]]:
        """Other processes have the same ones: there is one object for each name."""
        return contract_named, (self.name,)

    def canonical(self, own: str) -> str:
        """The argument that a parameter of this name stands for; the name itself where it stands for none."""
        return self.aliases.get(own, own)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: The inverse temperature, and the training fraction.
_BETA, _PROGRESS = Scalar("beta", 0.0, math.inf, open=True), Scalar("progress", 0.0, 1.0)

#: The four vectors of shape (B,).
VECTORS = (
    "policy_chosen_logps",
    "policy_rejected_logps",
    "reference_chosen_logps",
    "reference_rejected_logps",
)
#: Vectors of shape (B,), tokens per completion, given to a candidate that names them.
LENGTHS = ("chosen_lengths", "rejected_lengths")
PREFERENCE = Contract(
    "preference",
    "pair",
    tuple(Tensor(name, ("B",), differentiated=name in VECTORS[:2]) for name in (*VECTORS, *LENGTHS)),
    (_BETA, _PROGRESS),
    required=VECTORS[:2],
    leading=VECTORS,
    # Names that candidates in the field use.
    aliases={
        "pc": "policy_chosen_logps",
        "pr": "policy_rejected_logps",
        "rc": "reference_chosen_logps",
        "rr": "reference_rejected_logps",
        "chosen_logps": "policy_chosen_logps",
        "rejected_logps": "policy_rejected_logps",
        "ref_chosen_logps": "reference_chosen_logps",
        "ref_rejected_logps": "reference_rejected_logps",
    },
    wanted="the four log-probability vectors",
    methods=True,
    tunable=True,
)
#: The supervised one.
CLASSIFICATION = Contract(
    "classification",
    "example",
    (Tensor("logits", ("N", "C"), differentiated=True), Tensor("targets", ("N",), below="C")),
    (),
    required=("logits", "targets"),
    leading=("logits", "targets"),
    aliases=dict.fromkeys(("logit", "output", "outputs", "pred", "preds", "prediction", "predictions"), "logits")
    | dict.fromkeys(("y_pred", "input", "inputs", "scores"), "logits")
    | dict.fromkeys(("target", "label", "labels", "y", "y_true"), "targets"),
    wanted="logits and targets",
    hints=(
        (
            "logits",
            Hint(
                _words(
                    "logit logits output outputs pred preds prediction predictions predicted score scores input inputs "
                    "hat"
                )
            ),
        ),
        (
            "targets",
            # The weak ones also stand beside one for the logits, as in y_pred.
            Hint(
                _words("target targets label labels truth true gt gold ground answer answers"),
                weak=_words("y class classes cls"),
            ),
        ),
    ),
)
#: A prompt with K answers, each with a score, the higher the better: rewards, ratings, or ranks turned round.
LISTS = Contract(
    "lists",
    "list",
    (
        Tensor("policy_logps", ("B", "K"), differentiated=True),
        Tensor("reference_logps", ("B", "K")),
        Tensor("scores", ("B", "K")),
    ),
    (_BETA, _PROGRESS),
    required=("policy_logps", "scores"),
    leading=("policy_logps", "reference_logps", "scores"),
    aliases=dict.fromkeys(("logps", "pi_logps", "policy"), "policy_logps")
    | dict.fromkeys(("ref_logps", "reference"), "reference_logps")
    | dict.fromkeys(("score", "rewards", "reward", "ratings"), "scores"),
    wanted="policy_logps, reference_logps and scores",
    hints=(
        (
            "policy_logps",
            Hint(
                _words("policy pi theta model actor current online student trained"),
                weak=_words("log logs logp logps logprob logprobs lprobs likelihood likelihoods loglikelihoods"),
            ),
        ),
        ("reference_logps", Hint(_words("ref reference sft base baseline initial frozen anchor teacher pretrained"))),
        (
            "scores",
            Hint(_words("score scores reward rewards rating ratings relevance relevances utility utilities quality")),
        ),
    ),
)
CONTRACTS = {contract.name: contract for contract in (PREFERENCE, CLASSIFICATION, LISTS)}


def contract_named(name: str) -> Contract:
    """The contract of that name. Raises KeyError for another."""
    return CONTRACTS[name]
