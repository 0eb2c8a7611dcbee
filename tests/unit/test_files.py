"""What the trusted side is given to read: regular files of a size that fits, as strict text, and in no other way."""

from __future__ import annotations

import ast
import errno
import os
import socket
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import ROOT

from harness.containers.endpoint import _configured_context
from harness.core import files
from harness.core.errors import HarnessError, InfrastructureError, StoppedError, UserError
from harness.core.waiting import alone, opened, taken
from harness.discover.journal import Journal, read_entries
from harness.discover.proposers.replay import ReplayProposer
from harness.images.records import BaseRecord, Records
from harness.images.wheelhouse import _held
from harness.ladder import baselines
from harness.ladder import ladder as ladders
from harness.ladder.baselines import Baselines
from harness.llm.recording import Recording
from harness.llm_judge import mtbench, pairwise
from harness.plots import picture_control
from harness.training.kept import digest_of_input, kept
from harness.training.rung import INPUTS, TrainingService, _alone, _write_done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

#: Longest that a reader may take to refuse what is no file, in seconds.
PATIENCE = 10


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(path.parent)  # such an address may have 108 bytes at most
        try:
            made.bind(path.name)
        finally:
            os.chdir(here)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(files.LARGE + 1)


def _link_to_a_pipe(path: Path) -> None:
    _pipe(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


MADE: dict[str, Callable[[Path], object]] = {
    "a pipe": _pipe,
    "a socket": _socket,
    "a link to a device without an end": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": _link_to_a_pipe,
    "a folder": lambda path: path.mkdir(),
    "more than any of them may have": _sparse,
    "no text": lambda path: path.write_bytes(b"a = 1\nb = '\xff'\n"),
    "a text that is nested a hundred thousand times": lambda path: path.write_text("[" * 100_000 + "\n"),
}


def _inputs(path: Path) -> object:
    path.rename(path.parent / INPUTS)
    trainings = object.__new__(TrainingService)
    object.__setattr__(trainings, "folder", path.parent)
    object.__setattr__(trainings, "data_dir", None)
    return TrainingService.inputs(trainings, ladders.load().rungs[0])


READERS: dict[str, Callable[[Path], object]] = {
    "ladder": lambda path: ladders.load(str(path)),
    "inputs": _inputs,
    "answers": pairwise.read_file,
    "questions": mtbench.read_questions,
    "prompts": mtbench.read_prompts,
    "reference answers": mtbench.read_answers,
    "recording": lambda path: Recording(path, read_only=True),
    "recording to write": Recording,
    "replay": ReplayProposer,
    "entries": read_entries,
    "journal": Journal,
    "numbers of a picture": picture_control.draw,
}


def within(seconds: float, what: Callable[[], object]) -> BaseException | None:
    """What it raised; a reader that waits for ever fails the test and not the session."""
    caught: list[BaseException | None] = []

    def run() -> None:
        try:
            what()
        except BaseException as error:  # noqa: BLE001 - handed on
            caught.append(error)
        else:
            caught.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert caught, "it still reads"
    return caught[0]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_or_takes_what_is_none(reader: str, made: str, tmp_path: Path) -> None:
    path = tmp_path / ("mine.toml" if reader == "ladder" else "given")
    MADE[made](path)
    error = within(PATIENCE, lambda: READERS[reader](path))
    assert isinstance(error, HarnessError), (reader, made, error)
    wants = {InfrastructureError, UserError} if reader == "journal" else {UserError}
    assert type(error) in wants, error
    assert error.message
    assert len(error.message) < 1000
    if made not in {"no text", "a text that is nested a hundred thousand times"}:
        assert str(tmp_path) in error.message


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/null", "/proc/kmsg"])
def test_a_device_is_no_file(device: str) -> None:
    error = within(PATIENCE, lambda: files.load_bytes(Path(device), files.SMALL, "the file"))
    assert isinstance(error, UserError) or device == "/proc/kmsg"
    if device != "/proc/kmsg":
        assert "a device" in str(error)


def test_a_file_that_does_not_tell_its_size_is_capped_while_it_is_read() -> None:
    assert len(files.read_bytes(Path("/proc/self/status"), files.SMALL)) > 100
    with pytest.raises(files.TooLargeError):
        files.read_bytes(Path("/proc/self/status"), 100)


def test_a_file_that_is_just_small_enough(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(b"x" * 1000)
    assert files.read_bytes(path, 1000) == b"x" * 1000
    with pytest.raises(files.TooLargeError):
        files.read_bytes(path, 999)


def test_a_link_is_followed_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("text")
    (tmp_path / "link").symlink_to("there")
    assert files.read_bytes(tmp_path / "link", 10, links=True) == b"text"
    with pytest.raises(files.NotAFileError, match="a symbolic link"):
        files.read_bytes(tmp_path / "link", 10)


@pytest.mark.parametrize(
    ("parse", "text", "line"),
    [
        (files.toml_of, "a = 1\nb = \n", "line 2"),
        (files.toml_of, "a = 1\n\nb = '\udcff'", "line 3"),
        (files.toml_of, f"a = {'9' * 5000}", "no TOML"),
        (files.toml_of, "a = " + "[" * 50_000, "deeply"),
        (files.json_of, '{\n "a": 1,\n}', "line 3"),
        (files.json_of, '{"a": "\udcff"}', "line 1"),
        (files.json_of, "9" * 5000, "no JSON"),
        (files.json_of, "[" * 500_000, "deeply"),
    ],
)
def test_bad_text_is_told_with_its_line_and_a_next_step(parse: Callable[..., object], text: str, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        parse(text.encode("utf-8", "surrogateescape"), "the file /some/where")
    assert caught.value.message.startswith("the file /some/where")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "escape", [r"\u001b[2J", r"\u0007", r"\r", r"\u202e", r"\u200b", r"\u0085", r"\u2028", r"\ue000"]
)
@pytest.mark.parametrize("place", ['name = "x{}"', '[[rungs]]\nname = "x{}"', '[a]\n"k{}" = 1', 'list = ["a", ["{}"]]'])
def test_a_file_of_settings_holds_nothing_that_is_not_seen(escape: str, place: str) -> None:
    with pytest.raises(UserError, match=r"holds U\+[0-9A-F]{4}") as caught:
        files.toml_of(place.format(escape).encode(), "the file")
    assert caught.value.message.isprintable()


def test_ordinary_words_of_other_languages_are_taken() -> None:
    assert files.toml_of('name = "Größe, δ, 損失, 🙂"\ntext = "a\\nb\\tc"'.encode(), "the file")


def test_the_engines_settings_may_be_a_pipe_or_missing(tmp_path: Path) -> None:
    _pipe(tmp_path / "config.json")
    found: list[str] = []
    error = within(PATIENCE, lambda: found.append(_configured_context({"DOCKER_CONFIG": str(tmp_path)})))
    assert (error, found) == (None, [""])


@pytest.mark.parametrize("made", MADE)
def test_what_tells_of_an_older_baseline_may_be_no_file(made: str, tmp_path: Path) -> None:
    plan, told = ladders.load().rungs[2], []
    kept = Baselines(tmp_path, lambda *_: {})
    MADE[made](kept._last(plan))
    error = within(PATIENCE, lambda: told.append(kept.outdated(plan, "e" * 64)))
    assert (error, told) == (None, [made.startswith("a text")])


@pytest.mark.parametrize("made", list(MADE)[:5])
@pytest.mark.parametrize("lock", [alone, lambda path: _alone(path.with_name("training"))])
def test_a_lock_that_is_no_file_is_refused(
    made: str, lock: Callable[[Path], AbstractContextManager[None]], tmp_path: Path
) -> None:
    path = tmp_path / ".training.lock"
    MADE[made](path)
    error = within(PATIENCE, lambda: lock(path).__enter__())
    assert isinstance(error, InfrastructureError)
    assert str(path) in error.message
    assert error.remedy


@pytest.mark.parametrize("made", list(MADE)[:5])
def test_a_build_does_not_wait_at_a_lock_that_is_none(made: str, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    MADE[made](tmp_path / "images" / "lock")
    error = within(PATIENCE, lambda: Records(tmp_path).exclusive().__enter__())
    assert isinstance(error, InfrastructureError)


def _remember(folder: Path) -> None:
    Records(folder).remember_base(BaseRecord("identity", "reference", "recipe"))


#: Writers of whole files by what they write, where, and how.
WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "the end of a training": (
        "trained.json",
        lambda folder: _write_done(folder / "trained.json", {}, folder / "w", ""),
    ),
    "prepared data": (".new-key/manifest.json", lambda folder: kept(folder, "key", lambda _: {})),
    "a record of a build": ("images/base-recipe.json", _remember),
    "a baseline's scores": ("scores.json", lambda folder: baselines._write(folder / "scores.json", "{}")),
    "a whole file": ("file", lambda folder: files.write_whole(folder / "file", b"new")),
}


@pytest.mark.parametrize("made", [*list(MADE)[:4], "a second name of a file"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_written_goes_through_nothing_that_lies_there(writer: str, made: str, tmp_path: Path) -> None:
    name, write = WRITERS[writer]
    path = tmp_path / "folder" / name
    path.parent.mkdir(parents=True)
    other = tmp_path / "other"
    other.write_text("as it was")
    MADE[made](path) if made in MADE else path.hardlink_to(other)
    assert within(PATIENCE, lambda: write(tmp_path / "folder")) is None
    assert other.read_text() == "as it was"
    if path.parent.exists():  # prepared data are moved to their place
        assert path.is_file()
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1
        assert not list(path.parent.glob(".new-*"))


@pytest.mark.parametrize("made", [*list(MADE)[:4], "a second name of a file"])
def test_a_name_that_was_foreseen_is_not_written_through(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "foreseen")
    (other := tmp_path / "other").write_text("as it was")
    planted = tmp_path / ".new-foreseen"
    MADE[made](planted) if made in MADE else planted.hardlink_to(other)
    assert isinstance(within(PATIENCE, lambda: files.write_whole(tmp_path / "file", b"new")), FileExistsError)
    assert other.read_text() == "as it was"
    assert planted.is_symlink() or planted.exists()
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("failing", ["fsync", "rename"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_is_interrupted_leaves_the_old_file(
    failing: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise error

    (path := tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, failing, interrupt)
    with pytest.raises(type(error)):
        files.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_bytes(b"old")
    with pytest.raises(TypeError), files.replacing(path) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_and_its_name_are_on_the_disk_before_a_write_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync

    def note(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, (tmp_path / "file").exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with files.replacing(tmp_path / "file") as file:
        Path(file.name).write_bytes(b"written by its name")
    assert (tmp_path / "file").read_bytes() == b"written by its name"
    (half, before), last = synced
    assert half.startswith(".new-")
    assert not before
    assert last == (tmp_path.name, True)


def test_a_folder_that_cannot_be_synced_is_no_failure_and_one_on_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(number: int) -> None:
        def sync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", sync)

    fails(errno.EINVAL)
    files.write_whole(tmp_path / "file", b"new")
    files.sync_folder(tmp_path)
    fails(errno.EIO)
    for write in (lambda: files.write_whole(tmp_path / "file", b"newer"), lambda: files.sync_folder(tmp_path)):
        with pytest.raises(OSError, match="Input/output"):
            write()


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (deep := tmp_path / "a" / "b").mkdir(parents=True)
    for place in (tmp_path, deep):
        (place / ".new-half").write_bytes(b"ha")
        (place / "whole").write_bytes(b"whole")
        (place / ".hidden").write_bytes(b"whole")
    files.remove_halves(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [".hidden"] * 2 + ["whole"] * 2


def test_what_is_too_long_is_cut_where_that_is_wanted(tmp_path: Path) -> None:
    (path := tmp_path / "given").write_bytes(b"x" * 10)
    assert [files.read_bytes(path, cap, cut=True) for cap in (9, 10, 11)] == [b"x" * 9, b"x" * 10, b"x" * 10]
    assert len(files.read_bytes(Path("/proc/self/status"), 100, cut=True)) == 100


def test_a_lock_keeps_others_out_until_its_end(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with alone(lock):
        with opened(lock) as other:
            assert not taken(other)
        with pytest.raises(StoppedError), alone(lock, lambda: True):
            pass
    with opened(lock) as other:
        assert taken(other)


def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        with pytest.raises(UserError, match="another process works"):
            Journal(tmp_path / "journal")
        assert journal.path.stat().st_mode & 0o777 == 0o600
    Journal(tmp_path / "journal").__exit__()


def test_wheels_are_files(tmp_path: Path) -> None:
    _pipe(tmp_path / "a.whl")
    assert within(PATIENCE, lambda: _held(tmp_path)) is None


def test_an_input_that_is_no_data_is_refused(tmp_path: Path) -> None:
    _pipe(tmp_path / "pipe")
    error = within(PATIENCE, lambda: digest_of_input(tmp_path / "pipe"))
    assert isinstance(error, UserError)


#: Where else files are opened, read or written, how often, and why that is no path from outside.
ELSEWHERE: dict[str, tuple[int, str]] = {
    "harness/attestation/statement.py": (1, "our own package"),
    "harness/checks/machine.py": (1, "the kernel's"),
    "harness/cli/export.py": (1, "pictures, drawn a moment before"),
    "harness/crate/parts.py": (3, "our own package"),
    "harness/loss_export/module/loss.py": (2, "runs where it was exported to: the files beside it"),
    "harness/loss_export/module/test_bits.py": (3, "as above"),
    "harness/loss_export/writing.py": (1, "our own package"),
    "harness/doctor/inside/__init__.py": (2, "our own package"),
    "harness/doctor/inside/counted.py": (3, "runs in a sandbox"),
    "harness/doctor/inside/files.py": (6, "runs in a sandbox"),
    "harness/doctor/inside/kernel.py": (3, "runs in a sandbox"),
    "harness/doctor/inside/limits.py": (1, "runs in a sandbox"),
    "harness/doctor/probing.py": (1, "the canary, which we wrote a moment before"),
    "harness/doctor/run.py": (1, "the canary, in a folder that we made a moment before"),
    "harness/core/files.py": (5, "the reader and the writer; descriptors of their own making"),
    "harness/images/base.py": (9, "archives of our own, a folder of our own, and the system's lists of packages"),
    "harness/images/build.py": (2, "wheels of our own cache, known by their digests"),
    "harness/images/files.py": (3, "archives that the engine sent, in files of ours without a name"),
    "harness/images/inputs.py": (2, "our own sources"),
    "harness/images/wheelhouse.py": (3, "our own lock files, and wheels known by their digests"),
    "harness/ladder/baselines.py": (1, "our own package"),
    "harness/ladder/ladder.py": (2, "our own package"),
    "harness/checks/bank.py": (2, "our own sources"),
    "harness/training/kept.py": (2, "asked beforehand whether they are files; digested in pieces"),
    "harness/training/left_behind.py": (1, "asked beforehand whether it is a file; its header is capped"),
    "harness/losses/__init__.py": (1, "our own package"),
    "harness/containers/cgroup.py": (2, "the kernel's"),
    "harness/containers/devices.py": (1, "the kernel's"),
    "harness/containers/request.py": (1, "our own package"),
    "harness/cli/warm.py": (2, "the output that it was started with, and the null device"),
    "harness/warm/place.py": (1, "a folder, and asked whose it is"),
    "harness/core/processes.py": (2, "the kernel's"),
    "harness/core/sources.py": (1, "our own sources"),
    "harness/core/profiles/__init__.py": (1, "our own package"),
    "harness/report/github.py": (1, "a descriptor of the reader's own making; written, never read"),
    "harness/report/json_report.py": (1, "our own package"),
    "harness/plots/frontier_curves.py": (1, "our own package"),
    "harness/screen/process.py": (1, "the kernel's"),
    "harness/setup/engine.py": (2, "the log of an engine that we started"),
    "harness/setup/environment.py": (7, "our own checkout"),
    "harness/setup/gvisor.py": (2, "the system's settings, as root"),
    "harness/setup/relock.py": (6, "our own checkout"),
    "trainer/__main__.py": (2, "a descriptor of our own; the kernel's list of processors"),
    "trainer/checkpoint.py": (1, "runs in the trainer; files of its own making"),
    "trainer/control/kept.py": (3, "runs in the trainer; files of its own making"),
    "trainer/finetune/weights.py": (1, "runs in the trainer; files of its own making"),
    "trainer/finetune/store.py": (4, "runs in the trainer; files of its own making"),
    "trainer/hub.py": (1, "runs in the trainer; asked beforehand whether it is a file"),
    "trainer/images/cifar.py": (1, "runs in the trainer; asked beforehand whether it is a file, and how large"),
    "harness/protocol/job.py": (2, "runs in the trainer; the host wrote it, into a folder of our own"),
    "trainer/reviews/store.py": (3, "runs in the trainer; files of its own making"),
}  # fmt: skip
_METHODS = {"open", "fdopen", "read_text", "read_bytes", "write_text", "write_bytes", "load_file", "safe_open"}
#: What is opened by name and is no file.
_NO_FILES = {"Checker"}
_LOADERS = {"json", "tomllib", "np", "numpy", "pickle", "torch"}


def raw_reads(text: str) -> Iterator[ast.Call]:
    """Calls that open, read or write a file by themselves."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in {"open", "safe_open"}:
            yield node
        elif isinstance(called, ast.Attribute):
            owner = called.value.id if isinstance(called.value, ast.Name) else ""
            if owner in _NO_FILES:
                continue
            if called.attr in _METHODS or (called.attr == "load" and owner in _LOADERS):
                yield node


def test_no_file_is_read_but_by_the_reader_or_for_a_reason() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): count
        for folder in ("harness", "trainer")  # links in the first are not followed
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (count := len(list(raw_reads(path.read_text("utf-8")))))
    }
    assert found == {name: count for name, (count, _) in ELSEWHERE.items()}, (
        "read files by harness.core.files; where a path is nobody's but ours, say so in ELSEWHERE"
    )
    assert all(reason for _, reason in ELSEWHERE.values())


@pytest.mark.parametrize(
    "line",
    [
        "open(p)",
        "p.open()",
        "p.read_text('utf-8')",
        "Path(p).read_bytes()",
        "p.write_text('')",
        "os.open(p, 0)",
        "tomllib.load(f)",
        "np.load(p)",
    ],
)
def test_the_walk_sees_every_way_to_read(line: str) -> None:
    assert list(raw_reads(line))
