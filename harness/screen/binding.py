"""Which argument of the contract each parameter of a loss is given: by the words in its name, or by its position.

A name is taken apart into words. It settles an argument where every word is known; where only some are, it rules
arguments out, and what is bound by position must not be among those.
"""

from __future__ import annotations

import ast
import difflib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from harness.core.contract import CONTRACTS, LENGTHS, PREFERENCE, VECTORS, Contract
from harness.core.program import NAMES, PARAMS

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.core.program import CallPlan

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Meaning(NamedTuple):
    """What a name says: the argument that it settles (or nothing), and which leading ones it may stand for."""

    argument: str
    possible: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Words for the model that is trained. The first are also said of the reference, with a word for it beside them.
_MODEL = _words("policy policies pol pi model actor lm")
_POLICY = _words("theta online current cur new student learner trained tuned trainable active")
_REFERENCE = _words(
    "ref refs reference references sft base baseline init initial frozen old orig original anchor teacher pretrained"
)
_CHOSEN = _words(
    "chosen choose win wins winner winners winning won w yw pos positive preferred prefer preferable accepted accept "
    "better best good plus selected favored favoured liked"
)
_REJECTED = _words(
    "rejected reject rejects lose loses loser losers losing lost l yl neg negative dispreferred unpreferred "
    "nonpreferred disfavored disfavoured worse worst bad minus unchosen declined disliked"
)
_NOT = _words("non not un dis")
_LOG = _words(
    "log logs logp logps lp lps ll lls logprob logprobs lprob lprobs prob probs probability probabilities loglik "
    "logliks likelihood likelihoods loglikelihood loglikelihoods"
)
_FILLER = _words(
    "y x seq seqs sequence sequences sum sums summed total response responses resp completion completions answer "
    "answers output outputs batch tensor of the under for given per example examples sample samples pair pairs value "
    "values val vals"
)
#: Differences of two log-probabilities, unless the name says whose they are.
_RATIO = _words("ratio ratios logratio logratios")
#: What is computed of log-probabilities, where no word beside it says that it is a number.
_COMPUTED = _RATIO | _words(
    "rho ρ margin margins reward rewards diff diffs difference differences delta deltas gap gaps"
)
_NUMBER = _words(
    "beta weight weights scale coef coefficient temperature temp clip clamp cap eps epsilon min max power exponent "
    "threshold target"
)
_LENGTH = _words("len lens length lengths size sizes token tokens ntokens count counts num n")
#: What no vector of the contract is.
_FOREIGN = _LENGTH | _words(
    "mask masks weight weights margin margins reward rewards nll diff difference differences delta deltas gap kl "
    "entropy beta temperature temp labels label ids id hidden step steps epoch progress coef coefficient scale"
)
_GROUPS = (_MODEL, _POLICY, _REFERENCE, _CHOSEN, _REJECTED, _NOT, _LOG, _FILLER, _RATIO, _FOREIGN)
#: Words that are found inside longer ones, as in refchosen or logpi.
_PARTS = tuple(
    sorted(
        (w for group in _GROUPS for w in group if len(w) > 2 or w in {"pi", "lp", "yw", "yl"}), key=len, reverse=True
    )
)
_LONGEST = 60
#: Words that other contracts hint at.
_HINTED = frozenset().union(*(h.words | h.weak for contract in CONTRACTS.values() for _, h in contract.hints))
#: Whole names of two letters, besides the contract's own.
_SHORT = {"pw": VECTORS[0], "pl": VECTORS[1], "rw": VECTORS[2], "rl": VECTORS[3]}
_GREEK = {"π": "pi_", "θ": "theta_", "β": "beta_"}


def words_of(name: str) -> list[str]:
    """The words of a name, in small letters: parted by underscores, digits, capitals, or known words run together."""
    for letter, word in _GREEK.items():
        name = name.replace(letter, f"_{word}")
    found: list[str] = []
    for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+", name):
        word = part.lower()
        known = any(word in group for group in _GROUPS) or word in _HINTED
        found += [word] if known else _parted(word) or [word]
    return found


@lru_cache(maxsize=256)
def _parted(word: str) -> list[str]:
    """A long word as known ones run together; an empty list where it is not."""
    if not word or len(word) > _LONGEST:
        return []
    for part in _PARTS:
        if part == word:
            return [part]
        if word.startswith(part) and (rest := _parted(word[len(part) :])):
            return [part, *rest]
    return []


def meaning(name: str, contract: Contract) -> Meaning:
    """What a parameter's name says."""
    exact = contract.canonical(name)
    if exact in contract.arguments:
        return Meaning(exact, frozenset({exact}))
    if contract.hints:
        return _by_hints(words_of(name), contract)
    return Meaning(_SHORT[name], frozenset({_SHORT[name]})) if name in _SHORT else _of_pair(words_of(name))


def _by_hints(words: list[str], contract: Contract) -> Meaning:
    """The one argument that is named by any word; a weak word names it where no other argument is."""
    said = {argument for argument, hint in contract.hints if any(word in hint.words for word in words)}
    weak = {argument for argument, hint in contract.hints if any(word in hint.weak for word in words)}
    found = said or weak
    if len(found) > 1:
        return Meaning("", frozenset())
    if not found:
        return Meaning("", frozenset(contract.leading))
    clean = all(any(word in hint.words | hint.weak for _, hint in contract.hints) for word in words)
    return Meaning(next(iter(found)) if clean else "", frozenset(found))


def _of_pair(words: list[str]) -> Meaning:
    if len(words) == 1 and len(words[0]) == 1 and words[0] not in {"w", "l"}:
        return Meaning("", frozenset(VECTORS))
    said = [word for word in words if len(words) > 1 or len(word) > 1 or word in {"w", "l"}]
    policy, reference, chosen, rejected = _sides(said)
    # A ratio of whom to whom? Only where the name says whose log-probability it is, and of which completion.
    ratio = any(word in _RATIO for word in said) and not ((policy or reference) and (chosen or rejected))
    if (policy and reference) or (chosen and rejected) or ratio or any(word in _FOREIGN for word in said):
        return Meaning("", frozenset())
    possible = frozenset(
        vector
        for vector, whose, which in zip(VECTORS, "pprr", "crcr", strict=True)
        if not ((whose == "p" and reference) or (whose == "r" and policy))
        and not ((which == "c" and rejected) or (which == "r" and chosen))
    )
    known = all(word in {"p", "c", "r"} or any(word in group for group in _GROUPS) for word in said)
    if known and (chosen or rejected):
        # Whose it is often goes without saying for the policy.
        return Meaning(VECTORS[(2 if reference else 0) + (1 if rejected else 0)], possible)
    return Meaning("", possible)


def _sides(said: list[str]) -> tuple[bool, bool, bool, bool]:
    """Whether words say the policy, the reference, the chosen completion, the rejected one."""
    reference = any(word in _REFERENCE for word in said)
    policy = any(word in _POLICY for word in said) or (not reference and any(word in _MODEL for word in said))
    chosen, rejected = (any(word in group for word in said) for group in (_CHOSEN, _REJECTED))
    # p, c and r mean something beside other words only.
    if not (chosen or rejected):
        chosen, rejected = "c" in said, "r" in said
    elif not (policy or reference):
        policy, reference = "p" in said, "r" in said
    if any(word in _NOT for word in said) and chosen != rejected:
        chosen, rejected = rejected, chosen
    return policy, reference, chosen, rejected


def computed(name: str, contract: Contract, taken: Collection[str]) -> str:
    """How what a name says is computed of log-probabilities: a ratio, a margin, a reward. Empty where it is no such."""
    words = words_of(name)
    if contract is not PREFERENCE or not _COMPUTED & {*words} or (_NUMBER | _LENGTH) & {*words}:
        return ""
    policy, reference, chosen, rejected = _sides(words)
    whose = chosen != rejected or policy != reference
    if {*(VECTORS if whose else contract.required)} <= {*taken} and not (whose and _RATIO & {*words}):
        return ""  # A margin beside what it could be computed of is a number.
    pc, pr, rc, rr = VECTORS
    if chosen != rejected:
        text = f"{pc} - {rc}" if chosen else f"{pr} - {rr}"
    elif policy != reference:
        text = f"{pc} - {pr}" if policy else f"{rc} - {rr}"
    else:
        text = f"({pc} - {pr}) - ({rc} - {rr})"
    return f"beta * ({text})" if {"reward", "rewards"} & {*words} else text


def nearest(name: str, contract: Contract) -> str:
    """The argument that a name which stands for none was probably meant to be; empty where that is anyone's guess."""
    words = words_of(name)
    if contract is PREFERENCE:
        chosen, rejected = (any(word in group for word in words) for group in (_CHOSEN, _REJECTED))
        if chosen != rejected and any(word in _LENGTH for word in words):
            return LENGTHS[rejected]
        if any(word.startswith("progress") for word in words):
            return "progress"
        if "beta" in words:
            return "beta"
    offered = {**{argument: argument for argument in contract.arguments}, **contract.aliases}
    close = difflib.get_close_matches(name[:_LONGEST].lower(), [own for own in offered if len(own) > 3], 1, 0.75)
    return offered[close[0]] if close else ""


class Mismatch(NamedTuple):
    """Why a function cannot be called with the contract's arguments."""

    message: str
    fix: str | None = None


def paired(node: Function, open_: Collection[str], contract: Contract, binding: str) -> dict[str, str] | Mismatch:
    """The arguments of parameters that have other names than those; `open_` are the declared ones, which have none."""
    positional = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    required = positional[: len(positional) - len(node.args.defaults)]
    if contract.methods and positional[:1] == ["self"]:
        required, positional = required[1:], positional[1:]
    required = [own for own in required if own not in open_]
    if binding == NAMES:
        return _by_words(node, required, contract)
    return _by_position(required, [own for own in positional if own not in open_], contract)


def unknown_parameters(own: list[str], taken: Collection[str], contract: Contract) -> Mismatch:
    """What to say of required parameters that nothing can be given to."""
    words = f"parameter {own[0]} is" if len(own) == 1 else f"parameters {', '.join(own)} are"
    made = {each: text for each in own if (text := computed(each, contract, taken))}
    closest = {each: nearest(each, contract) for each in own if each not in made}
    near = [f"{close} in place of {each}" for each, close in closest.items() if close and close not in taken]
    if made:
        text = " and ".join(f"{each} = {text}" for each, text in made.items())
        also = f" Did you mean {' and '.join(near)}?" if near else ""
        message = (
            f"the required {words} not in the contract, which gives log-probabilities and nothing computed of them."
        )
        return Mismatch(f"{message}{also}", f"Take log-probabilities, and compute {text} inside the loss.")
    if near:
        meant = " and ".join(near)
        return Mismatch(f"the required {words} not in the contract. Did you mean {meant}?", f"Write {meant}.")
    fix = f'Use the contract\'s names; give others a default, or a range: {PARAMS} = {{"{own[0]}": (0.1, 1.0)}}.'
    return Mismatch(f"the required {words} not in the contract, which offers {', '.join(contract.arguments)}.", fix)


def _by_position(required: list[str], positional: list[str], contract: Contract) -> dict[str, str]:
    """Give meaning to exactly as many leading required parameters as there are, where their names say nothing."""
    count = len(contract.leading)
    first = required[:count]
    if len(first) < count or any(contract.canonical(own) in contract.arguments for own in first):
        return {}
    if any(contract.canonical(own) in contract.leading for own in positional):
        return {}
    if len(required) > count and contract.canonical(required[count]) not in contract.arguments:
        return {}
    return dict(zip(first, contract.leading, strict=True))


def _by_words(node: Function, required: list[str], contract: Contract) -> dict[str, str] | Mismatch:
    """Give meaning to parameters by the words in their names; by position only where those do not say otherwise."""
    vectors = set(contract.leading)
    defaults = defaults_of(node)
    said = {own: said_by(own, parameter_names(node), contract) for own in parameter_names(node)}
    count = len(contract.leading)
    first = required[:count]
    settled = {
        own: said[own].argument for own in said if said[own].argument in vectors and _may_bind(own, defaults, contract)
    }
    unsettled = [own for own in required if not said[own].argument]
    if not unsettled or not any(own in first for own in unsettled):
        return settled
    exact = any(contract.canonical(own) in contract.arguments for own in first)
    others = settled.keys() - set(first)
    following = required[count : count + 1]
    fits = len(first) == count and not exact and not others
    if not fits or (following and contract.canonical(following[0]) not in contract.arguments):
        return settled
    for own, argument in zip(first, contract.leading, strict=True):
        if not said[own].possible:
            return settled
        if argument not in said[own].possible:
            means = said[own].argument or " or ".join(v for v in contract.leading if v in said[own].possible)
            unclear = ", ".join(o for o in first if not said[o].argument)
            message = f"{own} reads as {means}, stands where {argument} is expected, and {unclear} could be anything."
            return Mismatch(message, f"Name all of them: {', '.join(contract.leading)}.")
    return dict(zip(first, contract.leading, strict=True))


def said_by(own: str, names: list[str], contract: Contract) -> Meaning:
    """What a name says among the others: w and l alone mean something beside each other only."""
    if own.lower() in {"w", "l"} and not {"w", "l"} <= {name.lower() for name in names}:
        return Meaning("", frozenset(contract.leading))
    return meaning(own, contract)


def is_by_position(node: Function, plan: CallPlan, contract: Contract) -> bool:
    """Whether a plan gives any argument to a parameter whose name does not settle it."""
    names = parameter_names(node)
    own = zip(names[plan.dialect == "method" :], plan.positional, strict=False)
    return any(said_by(name, names, contract).argument != given for name, given in own)


def _may_bind(own: str, defaults: dict[str, ast.expr], contract: Contract) -> bool:
    """Whether words suffice: a parameter with a number for its default is more likely a number."""
    if own not in defaults or contract.canonical(own) in contract.arguments:
        return True
    default = defaults[own]
    return isinstance(default, ast.Constant) and default.value is None


def defaults_of(node: Function) -> dict[str, ast.expr]:
    """The parameters that have a default, and what it is."""
    positional = [*node.args.posonlyargs, *node.args.args]
    given = zip(positional[len(positional) - len(node.args.defaults) :], node.args.defaults, strict=True)
    named = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return {a.arg: default for a, default in (*given, *named) if default is not None}


def parameter_names(node: Function) -> list[str]:
    """The names of a function's parameters, in the order in which they are written."""
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
