"""What `prepare` leaves for training and scoring, and how it is opened again: whole, and as it was left.

The reference's log-probabilities of all pairs are computed once and kept under a key of all that they depend on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.core.digests import json_digest
from harness.protocol.job import Progress, StepError
from harness.trainer.checkpoint import Pieces
from harness.trainer.reviews import evaluate, texts
from harness.trainer.reviews.embedded import WEIGHTS, Embedded
from harness.trainer.reviews.model import all_log_probs
from harness.trainer.reviews.settings import TRAINING_ONLY, Settings
from harness.trainer.reviews.store import digest_file, read_facts, read_tensors, write_facts, write_tensors
from harness.trainer.reviews.texts import Material, Pairs

if TYPE_CHECKING:
    from harness.protocol.job import Job, Say
    from harness.trainer.reviews.model import Model
    from harness.trainer.reviews.texts import Tokens

#: Written last: a folder without it is half done.
_ABOUT = "about.json"
_TOKENS = "tokens.safetensors"
#: How a completion's log-probability is made of those of its tokens; a new way is a new name.
LENGTHS = "sum over the completion's tokens as they are stored, nothing added, nothing cut"


@dataclass(frozen=True)
class Prepared:
    """The data of a seed, ready for use; `before` is how the reference itself stands, by its `answers`."""

    settings: Settings
    world: evaluate.World
    material: Material
    answers: Tokens
    before: evaluate.Standing
    folder: Path
    device: str

    def recall(self, which: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The reference's log-probabilities of the pairs "train" or "held". Raises StepError where they are stale."""
        pairs: Pairs = getattr(self.material, which)
        key = reference_key(pairs, self.world, self.settings.precision, self.device)
        return recall_reference(_cache(self.folder, which), key, len(pairs))


def prepare(job: Job, say: Say) -> dict[str, float]:
    """Make material, reference and its log-probabilities in `job.out`, from the pieces that are there.

    Gives the standing of the reference. Raises StepError.
    """
    settings, folder = Settings.of(job.settings), Path(job.out)
    pieces = Pieces(folder, purpose(job, settings))
    world = _open(job, settings, folder)
    material = world.make(job.seed, say, pieces)
    tokens = texts.pack("questions", material.questions)
    for name, pairs in (("train", material.train), ("held", material.held)):
        for part in ("prompts", "chosen", "rejected"):
            tokens |= texts.pack(f"{name}.{part}", getattr(pairs, part))
    model = world.reference()
    for name, pairs in (("train", material.train), ("held", material.held)):
        say(Progress(int(name == "held"), 3, "asks the reference"))
        key = reference_key(pairs, world, settings.precision, job.device)
        keep_reference(_cache(folder, name), key, model, pairs, settings.precision, pieces)
    say(Progress(2, 3, "asks the reference"))
    given = pieces.get("answers", lambda: evaluate.answers(model, material, world, settings, job.seed))
    before = evaluate.standing(material, world, given)
    write_tensors(tokens | texts.pack("answers", given), folder / _TOKENS)
    files = [_TOKENS, *(_cache(folder, name).name for name in ("train", "held"))]
    files += [WEIGHTS] if settings.source == "grammar" else []
    about = {
        "files": {name: digest_file(folder / name) for name in files},
        "prepared_for": purpose(job, settings),
        "world": world.digests,
        "reference": evaluate.as_facts(before),
    }
    write_facts(about, folder / _ABOUT)
    pieces.clear()
    return {
        "pairs": float(len(material.train)),
        "held_out": float(len(material.held)),
        **{f"reference_{k}": v for k, v in evaluate.as_facts(before).items() if v is not None},
    }


def open_prepared(job: Job, settings: Settings) -> Prepared:
    """Open what `prepare` left in `job.data`. Raises StepError for what is half done, damaged or of another job."""
    folder = Path(job.data)
    about = read_facts(folder / _ABOUT)
    try:
        files, made_for, reference = about["files"], about["prepared_for"], about["reference"]
        before = evaluate.from_facts(reference)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StepError(f"{_ABOUT} is damaged", remedy="prepare the data again") from error
    if made_for != purpose(job, settings):
        raise StepError("the data were prepared with other settings or another seed", remedy="prepare them again")
    for name, digest in sorted(files.items()):
        if digest_file(folder / Path(name).name) != digest:
            raise StepError(f"{Path(name).name} is not as it was prepared", remedy="prepare the data again")
    tensors, _ = read_tensors(folder / _TOKENS)
    train, held = (
        Pairs(*(texts.unpack(f"{name}.{part}", tensors) for part in ("prompts", "chosen", "rejected")))
        for name in ("train", "held")
    )
    material = Material(train, held, texts.unpack("questions", tensors))
    given = texts.unpack("answers", tensors)
    return Prepared(settings, _open(job, settings, folder), material, given, before, folder, job.device)


def _open(job: Job, settings: Settings, folder: Path) -> evaluate.World:
    if settings.source == "grammar":
        return Embedded(settings, folder, job.device)
    from harness.trainer.reviews.imdb import Files  # noqa: PLC0415 - the embedded source needs none of it

    return Files(settings, job.inputs, job.device)


def purpose(job: Job, settings: Settings) -> str:
    """SHA-256 of what the data of a job are made for: seed, device, and the settings that they depend on."""
    relevant = {k: v for k, v in asdict(settings).items() if k not in TRAINING_ONLY}
    return json_digest({"seed": job.seed, "device": job.device, "settings": relevant})


def _cache(folder: Path, which: str) -> Path:
    return folder / f"reference-{which}.safetensors"


def reference_key(pairs: Pairs, world: evaluate.World, precision: str, device: str) -> str:
    """SHA-256 of the tokens of the pairs, the model, its tokenizer, the handling of lengths, precision and versions."""
    import transformers  # noqa: PLC0415 - for its version alone

    return json_digest(
        {
            "pairs": texts.digest(pairs.prompts, pairs.chosen, pairs.rejected),
            "world": world.digests,
            "lengths": LENGTHS,
            "precision": precision,
            "device": torch.device(device).type,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
    )


def keep_reference(path: Path, key: str, model: Model, pairs: Pairs, precision: str, pieces: Pieces) -> None:
    """Compute them, as far as no piece has them, and write them under the key."""

    def of(part: str, completions: Tokens) -> torch.Tensor:
        name = f"{path.stem}-{part}-{key[:16]}"
        values: torch.Tensor = pieces.get(name, lambda: all_log_probs(model, pairs.prompts, completions, precision))
        return values

    chosen, rejected = of("chosen", pairs.chosen), of("rejected", pairs.rejected)
    if not (chosen.isfinite().all() and rejected.isfinite().all()):
        raise StepError(
            "the reference gives a completion no finite log-probability", fault="user", remedy="check the model"
        )
    write_tensors({"chosen": chosen, "rejected": rejected}, path, key=key)


def recall_reference(path: Path, key: str, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Read them, two vectors of shape (N,). Raises StepError where they are kept under another key: they are stale."""
    tensors, facts = read_tensors(path)
    if facts.get("key") != key:
        raise StepError(
            "the reference's log-probabilities belong to other data, another model, or other versions",
            fault="user",
            remedy="prepare the data again",
        )
    if {name: tuple(t.shape) for name, t in tensors.items()} != {"chosen": (count,), "rejected": (count,)}:
        raise StepError(f"{path.name} is damaged", remedy="prepare the data again")
    return tensors["chosen"], tensors["rejected"]
