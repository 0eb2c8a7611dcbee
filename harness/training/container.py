"""Steps in containers of the trainer image: one fresh container for each step, so that a scorer meets no trainer.

A user's files are mounted there: what has to be mounted is found out here, and whether the user inside may read it.
"""

from __future__ import annotations

import math
import os
import shutil
import stat
import tempfile
import time
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.containers.request import USER
from harness.containers.stream import DeadlineError, FloodError, StreamClosedError, Streams
from harness.containers.trainer_request import Mount, container_user, not_as_asked, trainer_request
from harness.core.errors import InfrastructureError, UserError
from harness.training.steps import End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.containers.devices import GpuChoice
    from harness.containers.engine import Engine
    from harness.containers.trainer_request import TrainerLimits
    from harness.protocol.job import Job

#: How the hub's own cache names a repository's folder: `snapshots` in it holds links to `blobs` beside them.
_CACHED = ("models--", "datasets--")


def mounted(path: Path) -> Path:
    """What to mount so that all of an input is there: itself, or the folder of the hub's cache that it lies in.

    Raises UserError where links lead out of it to anywhere else.
    """
    path = path.absolute()
    # What a link itself leads to is mounted by the engine.
    links = [] if path.is_symlink() else [file for file in path.rglob("*") if file.is_symlink()]
    outside = [file.resolve() for file in links if not file.resolve().is_relative_to(path.resolve())]
    if not outside:
        return path
    cached = next((folder for folder in path.parents if folder.name.startswith(_CACHED)), None)
    if cached is not None and all(target.is_relative_to(cached.resolve()) for target in outside):
        return cached
    raise UserError(
        f"{path} has links that lead out of it, to {outside[0]}, and a container sees none of that",
        remedy=f"copy it with what they lead to: cp -rL {path} ANOTHER",
    )


def must_be_readable(path: Path, user: str) -> None:
    """Refuse what everybody but its owner is kept from: a harness that is root trains as `user`, and not as root.

    Raises UserError with the first file or folder that is not for others to read.
    """
    for file in (path, *(path.rglob("*") if path.is_dir() else ())):
        try:
            mode = file.stat().st_mode
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}", remedy="mend it, or leave it out") from error
        needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
        if mode & needed != needed:
            raise UserError(
                f"{file} is for its owner alone, and trainers run as user {user}", remedy=f"chmod -R a+rX {path}"
            )


_DESK, _OUT, _DATA, _WEIGHTS, _INPUTS = "/job", "/out", "/data", "/weights", "/inputs"
#: What a step may write to stderr in all, and what of it is kept, in bytes.
_ERRORS_CAP, _ERRORS_SHOWN = 64 << 20, 16384
_ENDING = 20.0
_BETWEEN_QUESTIONS = 0.1


class Containers:
    """Where steps run as containers. `image` is the digest of the trainer image; `labels` say whose they are."""

    name = "container"

    def __init__(
        self,
        engine: Engine,
        image: str,
        *,
        gpu: GpuChoice | None = None,
        labels: tuple[tuple[str, str], ...] = (),
        group: str | None = None,
    ) -> None:
        self._engine, self._image, self._gpu, self._labels, self._group = engine, image, gpu, labels, group
        #: Ranks that it has GPUs for; on a CPU as many as you like.
        self.most_ranks = math.inf if gpu is None else len(gpu.whole)
        self.identity = f"container:{image}"

    @cached_property
    def _info(self) -> dict[str, Any]:
        return self._engine.info()

    @cached_property
    def _user(self) -> str:
        return container_user(self._info)

    def _there(self, limits: TrainerLimits) -> TrainerLimits:
        """No more processors than the engine has: it refuses to promise them."""
        has = self._info.get("NCPU")
        return replace(limits, cpus=min(limits.cpus, float(has))) if isinstance(has, int) and has > 0 else limits

    def start(self, work: Job, limits: TrainerLimits) -> RunningContainer:
        """Start a step. What it is to write to becomes its user's."""
        if limits.processes > self.most_ranks:
            raise UserError(
                f"the rung asks for {limits.processes} GPUs, and this place has {self.most_ranks:g}",
                remedy="`harness run --gpu 0,1`, `harness worker --gpus-each 2`, or a ladder with fewer `processes`",
            )
        desk = Path(tempfile.mkdtemp(prefix="harness-job-"))  # private (0700), and then the user's inside
        try:
            job, mounts = _inside(work, desk)
            job.write(desk / "job.json")
            if self._user == USER:
                for path in work.inputs.values():
                    must_be_readable(Path(path), USER.partition(":")[0])
                _hand_over(desk, work)
            body = trainer_request(
                self._image,
                self._there(limits),
                tuple(mounts),
                f"{_DESK}/job.json",
                user=self._user,
                gpu=self._gpu,
                labels=self._labels,
                group=self._group,
            )
            return RunningContainer(self._engine, body, desk)
        except BaseException:
            shutil.rmtree(desk, ignore_errors=True)
            raise


class RunningContainer:
    """A step that runs in its container. It ends when this process ends, too: its standard input is then closed."""

    def __init__(self, engine: Engine, body: dict[str, object], desk: Path) -> None:
        self._engine, self._desk = engine, desk
        self.container = engine.create(body).container
        try:
            wrong = not_as_asked(body, engine.describe(self.container))
            if wrong:
                raise InfrastructureError(f"the engine did not give the trainer's container what it asked for: {wrong}")
            self._streams = Streams(engine.attach_and_start(self.container), cap=_ERRORS_CAP, shown=_ERRORS_SHOWN)
        except BaseException:
            engine.remove(self.container)
            raise

    def pieces(self) -> Iterator[bytes]:
        """What it writes, as it comes."""
        line = bytearray()
        until = time.monotonic() + 1.0
        while True:
            try:
                line += self._streams.read(1, until)
            except DeadlineError:
                until = time.monotonic() + 1.0
                yield b""
            except StreamClosedError:
                yield bytes(line)
                return
            except FloodError:
                raise InfrastructureError("the trainer writes more errors than anybody would read") from None
            if line.endswith(b"\n") or len(line) >= 1 << 12:
                yield bytes(line)
                line.clear()

    def end(self) -> End:
        """Wait for its end."""
        until = time.monotonic() + _ENDING
        while True:
            state = self._engine.state(self.container)
            if not state:
                raise InfrastructureError("the trainer's container was removed from outside", remedy="run it again")
            if not state.get("Running"):
                errors = self._streams.output.decode("utf-8", "replace")
                return End(int(state.get("ExitCode", -1)), bool(state.get("OOMKilled")), errors)
            if time.monotonic() > until:
                raise InfrastructureError("the trainer closed its output and does not end")
            time.sleep(_BETWEEN_QUESTIONS)

    def close(self) -> None:
        """Kill and remove the container."""
        try:
            if self.container:
                container, self.container = self.container, ""
                with self._streams.discarded():
                    self._engine.remove(container)
        finally:
            self._streams.close()
            shutil.rmtree(self._desk, ignore_errors=True)


def _inside(work: Job, desk: Path) -> tuple[Job, list[Mount]]:
    """The job in paths of the container, and what is mounted there."""
    mounts = [Mount(desk, _DESK), Mount(Path(work.out), _OUT, writable=True)]
    mounts += [Mount(Path(source), place) for source, place in ((work.data, _DATA), (work.weights, _WEIGHTS)) if source]
    inputs = {}
    for number, (name, given) in enumerate(sorted(work.inputs.items())):
        path = Path(given)
        source = mounted(path)
        # The file's own name stays: libraries read the format from it.
        place = f"{_INPUTS}/{number}/{source.name}"
        mounts.append(Mount(source, place))
        inputs[name] = (PurePosixPath(place) / path.absolute().relative_to(source)).as_posix()
    oracle = ""
    if work.oracle:
        mounts.append(Mount(Path(work.oracle).parent, "/oracle"))
        oracle = f"/oracle/{Path(work.oracle).name}"
    data, weights = work.data and _DATA, work.weights and _WEIGHTS
    return replace(work, out=_OUT, data=data, weights=weights, oracle=oracle, inputs=inputs), mounts


def _hand_over(desk: Path, work: Job) -> None:
    """Give nobody, whom the step runs as, the folders that it works in. Only root can, and only root has to."""
    user, group = map(int, USER.split(":"))
    places = [desk, desk / "job.json", Path(work.out), *Path(work.out).rglob("*")]
    if work.oracle:
        places += [Path(work.oracle).parent, Path(work.oracle)]
    for place in places:
        os.chown(place, user, group, follow_symlinks=False)
