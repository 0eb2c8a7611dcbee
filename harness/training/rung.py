"""One seed of a rung that trains: prepared data, a training against the oracle, a score from a fresh place.

Everything lies under the project's folder: `data` holds what was prepared, for all candidates; `training` one folder
for each candidate, evaluation and seed, from which a killed attempt is gone on with; `weights` what a rung keeps of
them (`keep_gib`), and `answers` what kept models were asked.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import math
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from harness.containers.trainer_request import TrainerLimits
from harness.core.digests import json_digest
from harness.core.errors import HarnessError, InfrastructureError, UserError
from harness.core.files import LINES, SMALL, load_toml, read_bytes, remove_halves, write_whole
from harness.core.limits import MIB
from harness.core.waiting import opened, taken
from harness.protocol.job import TIMES, Job, Progress, Step
from harness.trainer.tasks import MODULES, data_settings, rounds_of
from harness.training.kept import digest_of_input, digests, kept, metrics_of, must_be_data
from harness.training.left_behind import SAMPLES, check_weights, whole_lines
from harness.training.serving import Serving
from harness.training.steps import run_step
from harness.training.weights import KeptWeights, address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from harness.protocol.job import Setting
    from harness.training.serving import Served
    from harness.training.steps import StepRunner

    #: How a candidate is opened for training, each rank in a sandbox of its own and from a thread of its own: by the
    #: rank, and the seconds in which it may be asked.
    OpenCandidate = Callable[[int, float], AbstractContextManager[Served]]
    #: Told how far which step is.
    Telling = Callable[[Step, Progress], None]

#: The kinds of rungs that are done here: each is a task of `harness.trainer.tasks`.
KINDS = tuple(MODULES)
#: Settings of a rung that are the host's, and no business of the task: what a step may use.
_HOST_SETTINGS = ("memory_mib", "disk_mib", "minutes", "processes", "keep_gib")
#: The file in the project's folder that says where a user's models and data lie: `name = "path"`, for all rungs or
#: below the name of one.
INPUTS = "inputs.toml"
_DONE = "trained.json"


class TrainingPlan(Protocol):
    """What is trained at a rung: its name, the task of `harness.trainer.tasks`, and the settings of its file."""

    @property
    def name(self) -> str:
        """What the rung is called."""

    @property
    def kind(self) -> str:
        """The task."""

    @property
    def settings(self) -> tuple[tuple[str, object], ...]:
        """Names and values."""


@dataclass(frozen=True)
class TrainingService:
    """What all trainings of a worker share. `folder` is the project's; `keep` leaves the weights there."""

    folder: Path
    where: StepRunner
    device: str = "cpu"
    keep: bool = False
    tolerance: float = 0.0
    #: One batch in so many is asked again in a fresh sandbox when a training has ended; 0 for none.
    again: int = 0
    stopping: Callable[[], bool] = lambda: False
    #: A folder of the user's, the input `data` of every rung.
    data_dir: str | None = None

    def identity(self, plan: TrainingPlan) -> str:
        """What decides about a rung's outcome besides its plan: the code that trains, the device, the user's files."""
        inputs = {name: digest_of_input(path) for name, path in self.inputs(plan).items()}
        return json_digest({"where": self.where.identity, "device": self.device, "inputs": inputs})

    def inputs(self, plan: TrainingPlan) -> dict[str, Path]:
        """The user's files for a rung. Raises UserError for a file that names none, and for what is no data."""
        place = self.folder / INPUTS
        named = {"data": self.data_dir} if self.data_dir is not None else {}
        remedy = 'write lines such as model = "/a/path"'
        there = place.exists() or place.is_symlink()
        content = load_toml(place, SMALL, "the file of inputs", remedy=remedy) if there else {}
        own = content.get(plan.name, {})
        listed = {k: v for k, v in content.items() if not isinstance(v, dict)} | (own if isinstance(own, dict) else {})
        named = {**listed, **named}
        if wrong := [name for name, path in named.items() if not isinstance(path, str)]:
            raise UserError(f"{place}: {wrong[0]} is no path", remedy=remedy)
        found = {name: (self.folder / path).absolute() for name, path in named.items()}
        for path in found.values():
            must_be_data(path)
        return found

    def measure(
        self,
        asked: OpenCandidate,
        plan: TrainingPlan,
        seed: int,
        name: str,
        *,
        say: Telling = lambda _, __: None,
        sampled: Callable[[bytes], None] = lambda _: None,
        made: Callable[[dict[str, dict[str, str]]], None] = lambda _: None,
    ) -> dict[str, float]:
        """The metrics of one candidate for one seed: those of its training, and above them those of its score.

        `name` tells the candidate and its evaluation from all others. `sampled` is given the trained model's answers
        for a judge, where the task leaves some; `made` the digests of the files, by their names, of the data, with the
        user's own (a base model, a preference set) as `inputs/NAME`, and of the weights. Raises CandidateFault,
        UserError and InfrastructureError as they are, StoppedError where it was asked to stop: then what was done so
        far stays, and the next call with the same name goes on from there.
        """
        work, limits = self._asked(plan, seed)
        with _on_disk(self.folder):
            data = self._prepared(work, limits, plan, say)
        key = self.key(plan, seed, name)
        place = self.folder / "training" / key[:32]
        with _on_disk(self.folder), _alone(place):
            work = replace(work, data=str(data))
            rounds = rounds_of(work.task, work.settings)
            train = self._in_rounds if rounds else self._trained
            trained = train(asked, replace(work, step=Step.TRAIN, round=rounds), limits, place, say)
            scored = self._scored(replace(work, step=Step.SCORE), limits, place, say)
            if samples := whole_lines(place / "score" / SAMPLES):
                sampled(samples)
            given = {f"inputs/{key}": digest_of_input(Path(path)) for key, path in work.inputs.items()}
            left = digests(place / "weights")
            made({"data": {**digests(data), **given}, "weights": left})
            if (budget := keeps(plan)) and not self.weights.keep(
                key, place / "weights", left, f"{plan.name}, seed {seed}, {name.partition('/')[0][:12]}", budget
            ):
                raise UserError(
                    f"the weights of the rung {plan.name} are more than its keep_gib", remedy="raise keep_gib"
                )
            if not self.keep:
                shutil.rmtree(place, ignore_errors=True)
        return {**trained, **scored}

    @property
    def weights(self) -> KeptWeights:
        """What rungs with `keep_gib` have kept of their trainings."""
        return KeptWeights(self.folder / "weights")

    def key(self, plan: TrainingPlan, seed: int, name: str) -> str:
        """What tells a training from all others (hex); `name` is the candidate's and its evaluation's."""
        what = {"name": name, "seed": seed, "settings": dict(plan.settings), "identity": self.identity(plan)}
        return json_digest(what)

    def answer(
        self,
        plan: TrainingPlan,
        seed: int,
        questions: bytes,
        weights: Path | None,
        say: Telling = lambda _, __: None,
    ) -> bytes:
        """The answers of a model to `questions` (JSON lines of `harness.trainer.finetune.answering`), as JSON lines.

        `weights` is a folder of kept ones; None asks the model that training began with. What was answered once is
        not asked again, and what was killed is gone on with. Raises as `measure` does.
        """
        asked, limits = self._asked(plan, seed)
        limits = replace(limits, processes=1)
        digest = hashlib.sha256(questions).hexdigest()
        model = digests(weights) if weights is not None else {}
        if weights is not None and address_of(model) != weights.parent.name:
            raise InfrastructureError("the weights are not there any more as they were kept", remedy="run it again")
        what = {"questions": digest, "weights": model, "settings": asked.settings, "seed": seed}

        def put(folder: Path) -> dict[str, float]:
            write_whole(folder / "questions.jsonl", questions)
            return {}

        def ask(folder: Path) -> dict[str, float]:
            given = "" if weights is None else str(weights)
            return self._run(replace(work, out=str(folder), weights=given), limits, say)

        with _on_disk(self.folder):
            lines = kept(self.folder / "questions", digest, put, self.stopping)
            work = replace(asked, step=Step.ANSWER, data=str(lines))
            key = json_digest({**what, "identity": self.identity(plan)})
            there = kept(self.folder / "answers", key, ask, self.stopping)
            return read_bytes(there / "answers.jsonl", LINES)

    def prepare(self, plan: TrainingPlan, seed: int, say: Telling = lambda _, __: None) -> None:
        """Make the data of a seed, unless they are there. Raises as `measure` does."""
        work, limits = self._asked(plan, seed)
        with _on_disk(self.folder):
            data = self._prepared(work, limits, plan, say)
            if rounds := rounds_of(work.task, work.settings):
                self._sampled(replace(work, data=str(data), round=1), limits, data, self.folder / "data", rounds, say)

    def _asked(self, plan: TrainingPlan, seed: int) -> tuple[Job, TrainerLimits]:
        """The first step of a seed, and what it may use. Raises UserError for a file that is not there."""
        limits, settings = split(plan)
        inputs = self.inputs(plan)
        for key, path in inputs.items():
            if not path.exists():
                raise UserError(f"the input {key} is not at {path}", remedy=f"mend it in {self.folder / INPUTS}")
        named = {key: str(path) for key, path in inputs.items()}
        return Job(plan.kind, Step.PREPARE, seed, settings, inputs=named, device=self.device), limits

    def _prepared(self, work: Job, limits: TrainerLimits, plan: TrainingPlan, say: Telling) -> Path:
        identity = self.identity(plan)
        settings = data_settings(work.task, work.settings)
        key = json_digest({"task": work.task, "settings": settings, "seed": work.seed, "identity": identity})
        alone = replace(limits, processes=1)

        def build(folder: Path) -> dict[str, float]:
            return self._run(replace(work, out=str(folder)), alone, say)

        return kept(self.folder / "data", key, build, self.stopping)

    def _in_rounds(
        self, asked: OpenCandidate, work: Job, limits: TrainerLimits, place: Path, say: Telling
    ) -> dict[str, float]:
        """Sample and train, once a round, as many as `work.round` says: each from the weights of the one before.

        The metrics of the last round, and `METRIC@ROUND` of each. A round without pairs to train on ends them, and one
        whose training is not finite.
        """
        before, last, rounds = Path(work.data), dict[str, float](), work.round
        points = dict[str, float]()
        for number in range(1, rounds + 1):
            mine = replace(work, round=number)
            # Nobody has been asked anything before the first: its answers are the same for all candidates.
            folder = self.folder / "data" if number == 1 else place / "sampled"
            data, sampled = self._sampled(mine, limits, before, folder, rounds, say)
            if not sampled["pairs"]:
                break
            mine = replace(mine, data=str(data), weights=str(before))
            last = sampled | self._trained(asked, mine, limits, place, _of_rounds(say, number, rounds))
            points |= {f"{name}@{number}": value for name, value in last.items() if name not in TIMES}
            if last["finite"] < 1.0:
                break
            before = _weights(place, number)
        return last | points

    def _sampled(
        self, work: Job, limits: TrainerLimits, before: Path, folder: Path, rounds: int, say: Telling
    ) -> tuple[Path, dict[str, float]]:
        """The data of a round, by the weights of the one before: their folder, and what was said of them."""
        work = replace(work, step=Step.SAMPLE, weights=str(before))
        what = {"task": work.task, "settings": work.settings, "seed": work.seed, "round": work.round}
        what |= {"device": work.device, "where": self.where.identity, "weights": digests(before)}
        what |= {"inputs": {name: digest_of_input(Path(path)) for name, path in work.inputs.items()}}

        def build(out: Path) -> dict[str, float]:
            told = _of_rounds(say, work.round, rounds)
            return self._run(replace(work, out=str(out)), replace(limits, processes=1), told)

        data = kept(folder, json_digest(what), build, self.stopping)
        return data, metrics_of(data)

    def _trained(
        self, asked: OpenCandidate, work: Job, limits: TrainerLimits, place: Path, say: Telling
    ) -> dict[str, float]:
        """Train, or take what an earlier attempt trained to its end."""
        out, done = _weights(place, work.round), place / (f"trained-{work.round}.json" if work.round else _DONE)
        data = Path(work.data).parent.name
        if (known := _read_done(done, out, data)) is not None:
            return known
        done.unlink(missing_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        remove_halves(out)
        begins = not any(out.iterdir())
        with tempfile.TemporaryDirectory(prefix="harness-oracle-") as private:
            serving = Serving(
                Path(private) / "oracle.sock",
                lambda rank: asked(rank, limits.seconds),
                ranks=limits.processes,
                again=self.again,
                tolerance=self.tolerance,
            )
            with serving:
                work = replace(work, out=str(out), oracle=str(serving.path))
                metrics = self._run(work, limits, say, fault=lambda: serving.fault)
                # The last answers are held against earlier ones when the trainer has gone.
                serving.settle()
            if begins and serving.calls == 0:
                raise InfrastructureError(f"{work.task} trained without asking the candidate anything")
        check_weights(out)
        _write_done(done, metrics, out, data)
        return metrics

    def _scored(self, work: Job, limits: TrainerLimits, place: Path, say: Telling) -> dict[str, float]:
        out = place / "score"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return self._run(replace(work, out=str(out), weights=str(place / "weights")), replace(limits, processes=1), say)

    def _run(
        self,
        work: Job,
        limits: TrainerLimits,
        say: Telling,
        fault: Callable[[], HarnessError | None] = lambda: None,
    ) -> dict[str, float]:
        told = functools.partial(say, work.step)
        return run_step(self.where, work, limits, say=told, stopping=self.stopping, fault=fault)


def keeps(plan: TrainingPlan) -> int:
    """How many bytes of weights are kept of a rung's trainings, in all; 0 for none."""
    split(plan)  # refuses what is no number
    return int(float(cast("float", dict(plan.settings).get("keep_gib", 0.0))) * 1024 * MIB)


def split(plan: TrainingPlan) -> tuple[TrainerLimits, dict[str, Setting]]:
    """What a step may use, and what the task is told. Raises UserError for a limit that is no positive number."""
    given = dict(plan.settings)
    own = {name: given.pop(name) for name in _HOST_SETTINGS if name in given}
    for name, value in own.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
            raise UserError(f"the setting {name} of the rung {plan.name} is no positive number")
        if name == "processes" and value != int(value):
            raise UserError(f"the setting {name} of the rung {plan.name} is no whole number")
    numbers = cast("dict[str, float]", own)
    least = TrainerLimits()
    processes = int(numbers.get("processes", least.processes))
    limits = TrainerLimits(
        memory=int(numbers.get("memory_mib", least.memory // MIB)) * MIB,
        disk=int(numbers.get("disk_mib", least.disk // MIB)) * MIB,
        seconds=60.0 * numbers.get("minutes", least.seconds / 60.0),
        processes=processes,
        cpus=least.cpus * processes,
        pids=least.pids * processes,
    )
    return limits, cast("dict[str, Setting]", given)


@contextlib.contextmanager
def _on_disk(folder: Path) -> Iterator[None]:
    """A disk that is full, or takes nothing, is a fault of ours. Raises InfrastructureError."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        remedy = f"{'make room at' if full else 'see to'} {folder}, or name another place with --folder"
        raise InfrastructureError(f"{error.filename or folder}: {error.strerror or error}", remedy=remedy) from error


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keep other attempts at the same training out: one that was taken for dead may still be at it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = place.with_name(f".{place.name}.lock")
    with opened(lock) as descriptor:
        if not taken(descriptor):
            raise InfrastructureError(
                "another attempt is still at this very training", remedy="wait for its end, or end it"
            )
        yield


def _weights(place: Path, number: int) -> Path:
    """Where a training leaves its weights, or a round of one; 0 for no round."""
    return place / "weights" / (f"round-{number}" if number else "")


def _of_rounds(say: Telling, number: int, rounds: int) -> Telling:
    """Progress of a step of a round as progress of that step in all rounds."""

    def told(step: Step, at: Progress) -> None:
        say(step, replace(at, done=(number - 1) * at.total + at.done, total=rounds * at.total))

    return told


def _write_done(path: Path, metrics: Mapping[str, float], weights: Path, data: str) -> None:
    """Say that the training is over, with the digests of what it left and the key of the data that it was made of."""
    content = {"metrics": {k: repr(v) for k, v in metrics.items()}, "files": digests(weights), "data": data}
    write_whole(path, json.dumps(content, sort_keys=True).encode())


def _read_done(path: Path, weights: Path, data: str) -> dict[str, float] | None:
    """The metrics of a training that is over; None where it is not, or where weights or data are others by now."""
    try:
        content = json.loads(read_bytes(path, SMALL))
        if (content["files"], content["data"]) != (digests(weights), data):
            return None
        return {str(k): float(v) for k, v in content["metrics"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
