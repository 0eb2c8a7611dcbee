"""Batches drawn the way training looks: what properties judge on, from one seed and a size.

Chosen and rejected drift from the reference independently, in most runs both downwards; references of a pair differ by
what their lengths and texts make of it; lengths, nats a token, drifts and their spread are those of a batch of its own.
`bench/training_batches.py` lays the distributions beside logged batches of three trainings (docs/realistic.md).

The same arguments give the same bytes on every machine; nobody can write into what they give, since it is kept
(`harness.subject.drawing`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.protocol.batch_types import PairBatch
from harness.subject.drawing import DOMAIN, drawing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.domain import Domain

    Array = NDArray[np.float64]

#: Longest completion in tokens, and the reference's deepest log-probability in nats.
LONGEST, DEEPEST = 4096, 4000.0
#: No log-probability comes nearer to zero than this share of the reference's: certainty is an edge of its own.
_ROOM = 0.95
#: How far a drift goes towards where sigmoids are flat in float32, in units of beta times nats.
SATURATED = 6.0
#: By how many tokens for a unit of beta rho the chosen completion of a well-ordered pair may be the longer one:
#: published length penalties (R-DPO, arXiv 2403.19159) take 0.05 of such a unit for each.
_TOKENS_A_NAT = 8.0
#: How far both completions of a well-ordered pair may rise, in nats: where both are near certain, f-divergences
#: (arXiv 2309.16240) have nothing left to say, in float32 first.
_RISE = 6.0
#: In one batch of so many, both completions of every well-ordered pair have fallen: some losses go by the whole batch.
_ALL_FALL = 4


@drawing
def realistic(
    seed: int,
    pairs: int,
    *,
    beta: float | None = None,
    progress: float | None = None,
    domain: Domain = DOMAIN,
    dtype: type[np.floating] = np.float32,
) -> PairBatch:
    """A batch as training asks for it, |beta rho| inside the domain; beta and progress are drawn where not given."""
    draw = np.random.Generator(np.random.PCG64([seed, 9]))
    beta, progress = _beta(draw, beta, domain), _progress(draw, progress)
    lengths, references = _texts(draw, pairs)
    up, down = _drifts(draw, pairs, starts=seed % 8 == 5)
    # No log-probability may be positive: what would be stays below certainty.
    up, down = np.minimum(up, -_ROOM * references[0]), np.minimum(down, -_ROOM * references[1])
    reach = domain.reach * draw.uniform(0.5, 0.99, size=pairs) / beta
    inside = np.minimum(1.0, reach / np.maximum(np.abs(up - down), 1e-30))
    vectors = (references[0] + inside * up, references[1] + inside * down, *references, *lengths)
    return _frozen(vectors, beta, progress, dtype)


@drawing
def well_ordered(
    seed: int,
    pairs: int,
    *,
    beta: float | None = None,
    progress: float | None = None,
    low: float = 2.0,
    high: float = 8.0,
    ordinary: bool = False,
    near: float = np.inf,
    domain: Domain = DOMAIN,
    dtype: type[np.floating] = np.float32,
) -> PairBatch:
    """Pairs that any loss should call well ordered, beta rho from `low` to `high`, and otherwise as training has them.

    Whatever a loss goes by says the same of each: the policy's margin and rho, in sums, a token, a token squared and
    under a mirror map of probabilities; the policy's margin outweighs the reference's, and beta rho the tokens by which
    the chosen completion is the longer one. Mostly both completions have lost probability, chosen at most
    `SATURATED` / beta nats: sigmoids still tell numbers apart there. No completion falls by more than `near` nats,
    whatever beta rho is then. `ordinary` texts have 8 to 100 tokens of .3 to 2 nats before the policy moved.
    """
    draw = np.random.Generator(np.random.PCG64([seed, 10]))
    beta, progress = _beta(draw, beta, domain), _progress(draw, progress)
    high = min(high, 0.99 * domain.reach)
    rho = np.minimum(draw.uniform(min(low, high / 1.25), high, size=pairs) / beta, 0.9 * near)
    # The share of the policy's margin that the reference has, or has against it.
    share = draw.uniform(-0.8, 0.8, size=pairs)
    # The rejected completion drifts down four times in five, and the chosen one with it as far as rho lets it.
    side = np.where(draw.uniform(size=pairs) < 0.8, -1.0, 0.4)
    down = rho * side * np.exp(draw.uniform(-1.0, 1.5, size=pairs))
    fall = np.minimum(rho + SATURATED / beta, near)
    down = np.clip(down, -fall, min(SATURATED / beta, _RISE))
    if seed % _ALL_FALL == _ALL_FALL - 1:
        down = np.minimum(down, -np.minimum(1.05 * rho, fall))
    nats_of, tokens_of = ((0.3, 2.0), (8.0, 100.0)) if ordinary else ((0.1, 4.0), (6.0, 2000.0))
    nats = np.exp(draw.uniform(*np.log(nats_of)) + draw.normal(0.0, 0.3, size=pairs))
    median = np.exp(draw.uniform(*np.log(tokens_of)))
    depth = np.minimum(nats * median * np.exp(draw.normal(0.0, draw.uniform(0.1, 0.7), size=pairs)), DEEPEST)
    where = draw.uniform(size=pairs)
    room = _TOKENS_A_NAT * beta * rho
    drawn = _ordered_texts(rho, share, down, depth, nats, (where, room))
    # Where not all agree about a pair, the reference agrees with the policy and lengths are equal.
    simple = _ordered_texts(rho, np.abs(share), -np.abs(down), depth, nats, None)
    agreed = _agree(room, *drawn)
    return _frozen(tuple(np.where(agreed, *both) for both in zip(drawn, simple, strict=True)), beta, progress, dtype)


def exchange_drifts(batch: PairBatch, seed: int) -> tuple[PairBatch, PairBatch]:
    """Well-ordered pairs with lengths of their own, and the same with the drifts of chosen and rejected exchanged.

    References and lengths stay: the policy moves as training would not. Where both completions fell, chosen is the
    shorter one, and the longer one where both rose, so that a token's margin turns round as the sum does.
    """
    pc, pr, rc, rr = (v.astype(np.float64) for v in batch.tensors[:4])
    draw = np.random.Generator(np.random.PCG64([seed, 13]))
    ratio = np.exp(-np.sign(pc - rc + pr - rr) * draw.uniform(-1.0, 0.0, size=pc.size))
    dtype = batch.policy_chosen.dtype
    lengths = np.clip(np.rint(batch.rejected_lengths * ratio), 1.0, LONGEST).astype(dtype)
    right = replace(batch, chosen_lengths=lengths)
    # A drift that would make a log-probability positive stays below certainty.
    chosen, rejected = np.minimum(rc + (pr - rr), rc * (1.0 - _ROOM)), np.minimum(rr + (pc - rc), rr * (1.0 - _ROOM))
    return right, replace(right, policy_chosen=chosen.astype(dtype), policy_rejected=rejected.astype(dtype))


@drawing
def edges(seed: int, pairs: int, *, domain: Domain = DOMAIN, dtype: type[np.floating] = np.float32) -> PairBatch:
    """Realistic pairs, each at an edge of the inputs; `EDGES` says at which, in turn."""
    batch = realistic(seed, pairs, domain=domain, dtype=np.float64)
    pc, pr, rc, rr, lc, lr = (v.astype(np.float64) for v in batch.tensors)
    draw = np.random.Generator(np.random.PCG64([seed, 12]))
    near = -draw.uniform(0.0, 0.3, size=(2, pairs))
    kind = (np.arange(pairs) + seed) % len(EDGES)
    for place, nearly in ((0, 0.0), (2, -1e-8)):
        at = kind == place
        pc[at], rc[at], pr[at], rr[at] = nearly, near[0][at], near[1][at] - 2.0, near[1][at] - 1.5
        at = kind == place + 1
        pr[at], rr[at], pc[at], rc[at] = nearly, near[0][at], near[1][at] - 2.0, near[1][at] - 1.5
    at = kind == 4
    pc[at] = pr[at] = rc[at] = rr[at] = 0.0
    at = kind == 5
    pc[at], pr[at], rc[at], rr[at] = 8.0 * near[0][at], 8.0 * near[1][at], 8.0 * near[1][at], 8.0 * near[0][at]
    lc[at] = lr[at] = 1.0
    at = kind == 6
    pc[at], rc[at], lc[at] = pr[at], rr[at], lr[at]
    at = kind == 7
    pc[at], pr[at] = rc[at], rr[at]
    return _frozen((pc, pr, rc, rr, lc, lr), batch.beta, batch.progress, dtype)


#: The edges of the inputs.
EDGES = (
    "chosen certain: a log-probability of exactly 0",
    "rejected certain",
    "chosen all but certain: -1e-8",
    "rejected all but certain",
    "all four certain",
    "completions of one token",
    "equal completions",
    "policy and reference equal",
)


def _beta(draw: np.random.Generator, given: float | None, domain: Domain) -> float:
    """One of the paper's betas, or any between the ends of the domain."""
    usual, anywhere, which = draw.uniform(size=3)
    if given is not None:
        return given
    if which < 0.5 and domain.betas:
        return domain.betas[int(usual * len(domain.betas))]
    return float(np.clip(round(domain.beta_low * (domain.beta_high / domain.beta_low) ** anywhere, 7), *domain.ends))


def _progress(draw: np.random.Generator, given: float | None) -> float:
    drawn = round(float(draw.uniform()), 7)
    return drawn if given is None else given


def _texts(draw: np.random.Generator, pairs: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Lengths in tokens, and the reference's log-probabilities."""
    median = np.log(6.0) + draw.uniform() * np.log(150.0)
    spread = draw.uniform(0.1, 0.9) if draw.uniform() < 0.85 else 0.0  # trajectories all have one length
    lengths = [np.clip(np.rint(np.exp(draw.normal(median, spread, size=pairs))), 1.0, LONGEST) for _ in range(2)]
    # A model that is sure of its words, up to one that knows little more than a vocabulary of thousands.
    center, wide, apart = draw.uniform(np.log(0.05), np.log(8.0)), draw.uniform(0.02, 0.4), draw.uniform(0.01, 0.25)
    pair = draw.normal(center, wide, size=pairs)
    references = [-np.minimum(n * np.exp(pair + draw.normal(0.0, apart, size=pairs)), DEEPEST) for n in lengths]
    return (lengths[0], lengths[1]), (references[0], references[1])


def _drifts(draw: np.random.Generator, pairs: int, *, starts: bool) -> tuple[Array, Array]:
    """Log-ratios of chosen and rejected to the reference: means of the batch, and a spread that both share in part."""
    scale = np.exp(draw.uniform(np.log(1e-3), np.log(0.3)) if starts else draw.uniform(np.log(0.3), np.log(60.0)))
    means = draw.normal((-0.7, -1.3), 0.7)
    alike = draw.uniform(-0.6, 0.8)
    first, second = draw.normal(size=(2, pairs))
    spread = draw.uniform(0.2, 1.0)
    other = alike * first + np.sqrt(1.0 - alike * alike) * second
    return scale * (means[0] + spread * first), scale * (means[1] + spread * other)


def _ordered_texts(
    rho: Array, share: Array, down: Array, depth: Array, nats: Array, lengths: tuple[Array, Array] | None
) -> tuple[Array, ...]:
    """The six vectors of pairs with these margins and drifts.

    `lengths` are where the ratio of lengths lies between its ends, and by how many tokens chosen may be the longer one;
    None: lengths are equal.
    """
    margin, up = rho / (1.0 - share), down + rho
    # Deep enough that no log-probability of the four is positive.
    rejected = -(depth + margin + np.abs(share) * margin + np.abs(down)) * 1.05
    chosen = rejected + margin
    references = chosen - up, rejected - down
    tokens = np.clip(np.rint(-rejected / nats), 2.0, LONGEST // 2)
    if lengths is None:
        return chosen, rejected, *references, tokens, tokens
    where, room = lengths
    # A token's worth says what sums say, of the policy and of both drifts, and so does a token squared, which asks for
    # more; where both fell, the deeper completion is the longer one, and where both rose, the shorter one.
    rose, fell = down > 0, up < 0
    deeper = references[0] / references[1]
    drifts = np.sqrt(np.where(rose | fell, up / np.where(rose | fell, down, 1.0), 1.0))
    low = np.maximum(np.sqrt(chosen / rejected), np.where(rose, 0.0, deeper))
    low = np.maximum(np.where(fell, np.maximum(low, drifts), low) * 1.05, 1 / 5)
    high = np.where(rose, np.minimum(deeper, drifts) / 1.05, 5.0)
    first = np.rint(tokens * low * (np.maximum(high, low) / low) ** (where * where))
    return chosen, rejected, *references, np.maximum(np.minimum(first, np.floor(tokens + room)), 1.0), tokens


def _agree(room: Array, pc: Array, pr: Array, rc: Array, rr: Array, lc: Array, lr: Array) -> NDArray[np.bool_]:
    """Whether every view of a pair, by whatever a loss may go, has chosen ahead of rejected."""
    up, down = pc - rc, pr - rr
    ahead = ((pc - pr) + (rc - rr) > 0) & (lc - lr <= room)
    for power in (1, 2):
        ahead &= (pc / lc**power > pr / lr**power) & (up / lc**power > down / lr**power)
    # Under a mirror map that is steeper for small probabilities, a fall weighs more where less is left.
    ahead &= ~((up < 0) & (down < 0)) | (rc / lc >= rr / lr)
    return ahead & (~((up > 0) & (down > 0)) | (rc / lc <= rr / lr))


def _frozen(vectors: tuple[Array, ...], beta: float, progress: float, dtype: type[np.floating]) -> PairBatch:
    batch = PairBatch.of((v.astype(dtype) for v in vectors), beta, progress)
    for vector in batch.tensors:
        vector.setflags(write=False)
    return batch
