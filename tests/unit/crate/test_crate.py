"""An archive of a run: what is in it, who can tell that it is whole, and that no file of it can be another."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from crate_samples import LADDER, TEXT, archive, run_crate, run_in, with_files

from harness.cli.export import export_command
from harness.cli.import_run import import_command
from harness.cli.verify import verify_command
from harness.core.errors import UserError
from harness.crate.packing import NoArchiveError, unpacked
from harness.crate.parts import RECORDS, SIGNED
from harness.crate.read import opened
from harness.crate.write import write
from harness.ladder.ladder import ladder_for, load
from harness.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from harness.attestation.keys import Keyring


@pytest.fixture
def data(tmp_path: Path, ring: Keyring) -> bytes:
    return archive(tmp_path, ring)


def verify(folder: Path, data: bytes, *words: str) -> Result:
    path = folder / "run.crate.zip"
    path.write_bytes(data)
    return CliRunner().invoke(verify_command, [str(path), *words], catch_exceptions=False)


def test_an_archive_has_what_a_stranger_needs_and_nothing_of_this_machine(data: bytes, tmp_path: Path) -> None:
    files = unpacked(data)
    assert files["candidate/mine.py"] == TEXT
    assert hashlib.sha256(files[f"ladder/{LADDER.name}.toml"]).hexdigest() == LADDER.digest
    assert {"profile/2026.2.toml", RECORDS, SIGNED, "run.json", "REPRODUCE.md", "ro-crate-metadata.json"} <= set(files)
    assert {f"documents/{plan.name}/left.json" for plan in LADDER.rungs} <= set(files)
    assert "images/locks/sandbox-cpu.txt" in files
    assert str(tmp_path).encode() not in data
    assert b"PRIVATE KEY" not in data
    assert b"host-7" not in data
    assert json.loads(files["run.json"]) == {"a": 1, "events": [{"detail": {}}]}


def test_it_is_the_same_bytes_but_for_the_record_that_signs_it(tmp_path: Path, ring: Keyring) -> None:
    ledger, run = run_in(tmp_path / "ledger", ring)
    with ledger:
        made = [
            unpacked(write(ledger, ledger.run(run), LADDER, ring.signing(), ring.trusted(), told={}, pictures={}))
            for _ in range(2)
        ]
    assert made[0].pop(SIGNED) != made[1].pop(SIGNED)
    assert made[0] == made[1]


def test_its_metadata_name_every_file_by_its_digest(data: bytes) -> None:
    files = unpacked(data)
    graph = {one["@id"]: one for one in json.loads(files["ro-crate-metadata.json"])["@graph"]}
    parts = [part["@id"] for part in graph["./"]["hasPart"]]
    assert sorted(parts) == sorted(files.keys() - {"ro-crate-metadata.json"})
    told = {name: graph[name]["sha256"] for name in parts if name != SIGNED}
    assert told == {name: hashlib.sha256(files[name]).hexdigest() for name in told}
    assert graph["#run"]["object"] == [{"@id": "candidate/mine.py"}]
    assert graph["./"]["mainEntity"] == {"@id": f"ladder/{LADDER.name}.toml"}


def test_who_trusts_its_key_verifies_it_alone(data: bytes, tmp_path: Path) -> None:
    done = verify(tmp_path, data)
    assert (done.exit_code, "10 of 10 records hold" in done.output) == (0, True), done.output


def test_who_does_not_is_told_so_and_may_ask_whether_it_is_whole(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_KEYS", str(tmp_path / "nobody"))
    assert verify(tmp_path, data).exit_code == 1
    done = verify(tmp_path, data, "--keys-inside")
    assert (done.exit_code, "a key that lies in the archive" in done.output) == (0, True), done.output


def _files(data: bytes) -> list[str]:
    return sorted(unpacked(data))


def test_every_file_that_is_changed_taken_out_or_put_in_is_named(data: bytes, tmp_path: Path) -> None:
    for name in _files(data):
        for change in (unpacked(data)[name] + b" ", None):
            spoilt = with_files(data, **{name: change})
            done = verify(tmp_path, spoilt)
            assert done.exit_code == 1, name
            told = done.output.replace("\n", " ")
            only = change is None and f"just one file in {name.partition('/')[0]}/" in told
            assert name in told.replace(" ", "") or only or name in {RECORDS, SIGNED}, told
    done = verify(tmp_path, with_files(data, **{"documents/more.json": b"{}"}))
    assert (done.exit_code, "documents/more.json was added" in done.output.replace("\n", " ")) == (1, True)


def test_bytes_between_the_files_count_too(data: bytes, tmp_path: Path) -> None:
    assert verify(tmp_path, data + b"\0").exit_code == 1
    place = data.rindex(b"PK\x01\x02") + 12  # the time of the last file
    done = verify(tmp_path, data[:place] + b"\x01" + data[place + 1 :])
    assert (done.exit_code, "packed" in done.output) == (1, True)


def test_records_of_another_candidate_make_no_archive_of_this_one(tmp_path: Path, data: bytes) -> None:
    other = b"def loss(a, b, c, d, beta):\n    return b\n"
    done = verify(tmp_path, with_files(data, **{"candidate/mine.py": other}))
    assert (done.exit_code, "its candidate or its ladder is another" in done.output.replace("\n", " ")) == (1, True)


@pytest.mark.parametrize("lost", [RECORDS, SIGNED, "candidate/mine.py", f"ladder/{LADDER.name}.toml"])
def test_one_without_what_every_archive_has_is_none(data: bytes, lost: str) -> None:
    with pytest.raises(NoArchiveError):
        opened(with_files(data, **{lost: None}))


def test_a_run_that_has_not_ended_or_was_never_signed_is_not_exported(tmp_path: Path, ring: Keyring) -> None:
    ledger, run = run_in(tmp_path / "ledger", ring)
    with ledger:
        (other,) = ledger.submit([_one(b"x = 1\n")], profile=LADDER.name, profile_digest=LADDER.digest, needs="cpu")
        for number, told in ((other.run, "it is queued"), (run, "")):
            if not told:
                continue
            with pytest.raises(UserError, match=told):
                write(ledger, ledger.run(number), LADDER, ring.signing(), (), told={}, pictures={})


def _one(text: bytes) -> tuple[Any, str]:
    from harness.core.candidate import Candidate

    return Candidate("x.py", text, hashlib.sha256(text).hexdigest()), "x"


def test_names_of_a_strangers_making_are_plain_ones_in_here(tmp_path: Path, ring: Keyring) -> None:
    made = archive(tmp_path, ring, path="../../x\n\x1b[2J ü.py", name="\x1b]0;owned\x07")
    candidate, _ = run_crate(made).candidate
    assert candidate == "candidate/x___2J__.py"
    assert b"\x1b" not in unpacked(made)["REPRODUCE.md"]


def test_a_ladder_of_ones_own_is_packed_and_taken_in(
    tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "mine.toml"
    shipped = resources.files("harness.ladder.profiles").joinpath(f"{LADDER.name}.toml").read_text("utf-8")
    own.write_text(shipped.replace(LADDER.name, "mine-1"), "utf-8")
    ledger, run = run_in(tmp_path / "own", ring, ladder=load(str(own)))
    ledger.close()
    done = CliRunner().invoke(export_command, [str(run), "--folder", "own", "--no-plots"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert run_crate((tmp_path / f"run-{run}.crate.zip").read_bytes()).ladder == (
        "ladder/mine-1.toml",
        own.read_bytes(),
    )
    done = CliRunner().invoke(import_command, [f"run-{run}.crate.zip", "--folder", "other"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with Ledger(tmp_path / "other") as other:
        found = ladder_for(other, other.run(1))
    assert found is not None
    assert (found.digest, found.own) == (load(str(own)).digest, own.read_bytes())
