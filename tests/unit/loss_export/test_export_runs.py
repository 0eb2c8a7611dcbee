"""Which runs are exported and which are not, what is in their folder, and where that cannot be written."""

from __future__ import annotations

import errno
import json
import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from export_samples import DISCOPOP, LADDER, climbed, exported, imported, subject_of
from hostile_texts import HOSTILE
from in_process import of_text
from ledger_samples import rows
from sealing_samples import keys
from sqlalchemy import update

from harness.checks.checker import Checker
from harness.cli.export_loss import export_loss_command
from harness.cli.verify import verify_command
from harness.core.errors import InfrastructureError, UserError
from harness.core.profiles import load
from harness.ledger import Ledger
from harness.ledger.tables import metadata
from harness.loss_export import asking
from harness.loss_export.built_in import KNOWN
from harness.loss_export.promoted import promoted
from harness.loss_export.writing import FORMS, check_folder, write
from harness.losses import find, source_text
from harness.subject.identity import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from harness.attestation.keys import Keyring

RUNGS = [plan.name for plan in LADDER.rungs]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate answers here, and is the same function as any other."""
    monkeypatch.setattr(Checker, "open", lambda _: nullcontext())
    monkeypatch.setattr(asking, "answers_of", lambda one, _: asking.asked(subject_of(one.program)))
    monkeypatch.setattr(asking, "difference_from", lambda *_: None)


def command(folder: Path, *words: object) -> Result:
    arguments = [*map(str, words), "--folder", str(folder)]
    return CliRunner().invoke(export_loss_command, arguments, catch_exceptions=False)


@pytest.mark.parametrize("form", [*FORMS, "all"])
@pytest.mark.usefixtures("no_engine")
def test_the_command_writes_the_form_that_it_was_asked_for(tmp_path: Path, ring: Keyring, form: str) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        run = climbed(ledger, ring)
    to = tmp_path / "my_loss"
    done = command(tmp_path / "ledger", run, "--to", to, "--form", form)
    assert done.exit_code == 0, done.output
    assert "promoted by screen, properties, bandit" in done.output
    assert 'DPOConfig(loss_type="discopop", beta=BETA, discopop_tau=0.05)' in (to / "README.md").read_text()
    wanted = {f"{FORMS[one][0]}.py" for one in (FORMS if form == "all" else [form])}
    common = (
        "README.md __init__.py allowlist.py candidate.py guards.py loss.json loss.py oracle.json records.intoto.jsonl"
    )
    assert {path.name for path in to.iterdir()} == {*common.split(), "test_bits.py", *wanted}
    code = "\n".join(path.read_text() for path in to.glob("*.py"))
    assert not re.search(r"^\s*(from|import) harness", code, re.MULTILINE)
    assert (to / "candidate.py").read_bytes() == DISCOPOP
    records, text = str(to / "records.intoto.jsonl"), str(to / "candidate.py")
    held = CliRunner().invoke(verify_command, [records, text, "--accepted"], catch_exceptions=False)
    assert (held.exit_code, "9 of 9 records hold; 1 of 1 other files" in held.output) == (0, True), held.output


@pytest.mark.usefixtures("no_engine")
def test_another_function_with_that_fingerprint_is_not_called_built_in(
    tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "difference_from", lambda *_: "their values differ at beta 0.3")
    with Ledger(tmp_path / "ledger") as ledger:
        run = climbed(ledger, ring)
    done = command(tmp_path / "ledger", run, "--to", tmp_path / "my_loss")
    page = (tmp_path / "my_loss" / "README.md").read_text()
    assert "another function: their values differ" in done.output.replace("\n", " ")
    assert "another function: their values differ" in page.replace("\\", "")
    assert "DPOConfig(loss_type" not in page


def test_the_fingerprints_of_what_trl_has_are_the_catalogues() -> None:
    made = {fingerprint(of_text(source_text(known.name))): known.name for known in KNOWN.values()}
    assert made == {print_: known.name for print_, known in KNOWN.items()}
    assert all(find(known.name) for known in KNOWN.values())


@pytest.mark.parametrize(
    ("rungs", "last", "told"),
    [
        (0, "promote", "is running, and was not promoted"),
        (1, "promote", "past a rung that judges: a screen accepts nobody"),
        (2, "reject", "is rejected, and only a promoted loss is exported"),
        (3, "reject", "is rejected, and only a promoted loss is exported"),
    ],
)
def test_what_was_not_promoted_is_refused(tmp_path: Path, ring: Keyring, rungs: int, last: str, told: str) -> None:
    with Ledger(tmp_path) as ledger:
        run = climbed(ledger, ring, rungs=rungs, last=last)
        with pytest.raises(UserError, match=told) as refused:
            promoted(ledger, ledger.run(run), ring.trusted())
    assert f"harness show {run}" in refused.value.remedy


def test_a_run_that_goes_on_is_exported_by_what_it_has_passed(tmp_path: Path, ring: Keyring) -> None:
    with Ledger(tmp_path) as ledger:
        one = promoted(ledger, ledger.run(climbed(ledger, ring, rungs=2)), ring.trusted())
    assert [name for name, _ in one.rungs] == RUNGS[:2]


def test_a_run_that_somebody_took_out_is_refused(tmp_path: Path, ring: Keyring) -> None:
    with Ledger(tmp_path) as ledger:
        run = climbed(ledger, ring, rungs=2)
        ledger.cancel(run)
        with pytest.raises(UserError, match="is cancelled"):
            promoted(ledger, ledger.run(run), ring.trusted())


def test_a_duplicate_names_the_run_that_answers_for_it(tmp_path: Path, ring: Keyring) -> None:
    with Ledger(tmp_path) as ledger:
        first = climbed(ledger, ring)
        second = climbed(ledger, ring, DISCOPOP + b"\n", rungs=1)
        with ledger.database.writing() as connection:
            runs = metadata.tables["runs"]
            changed = {"state": "duplicate", "same_as": first}
            connection.execute(update(runs).where(runs.c.id == second).values(**changed))
        with pytest.raises(UserError, match=f"the same function as run {first}") as refused:
            promoted(ledger, ledger.run(second), ring.trusted())
    assert refused.value.remedy == f"`harness export-loss {first}`"


def test_a_loss_of_another_contract_is_refused(tmp_path: Path, ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.loss_export.promoted.load", lambda _: load("classification-2026.2"))
    with Ledger(tmp_path) as ledger:
        run = climbed(ledger, ring)
        with pytest.raises(UserError, match="a loss for classification"):
            promoted(ledger, ledger.run(run), ring.trusted())


@pytest.mark.parametrize(
    "what", ["a stranger's key", "a record that was changed", "one that was taken out", "another's"]
)
def test_records_that_do_not_hold_are_refused(tmp_path: Path, ring: Keyring, what: str) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        run = climbed(ledger, ring)
        trusted = ring.trusted()
        sealed = metadata.tables["sealed"]
        kept = [row for row in rows(ledger, "sealed") if row["run"] == run and "head" not in row["kind"]]
        with ledger.database.writing() as connection:
            if what == "a stranger's key":
                trusted = keys(tmp_path / "stranger").trusted()
            elif what == "a record that was changed":
                line = kept[-1]["line"].replace(b"payload", b"paylaod")
                connection.execute(update(sealed).where(sealed.c.id == kept[-1]["id"]).values(line=line))
            elif what == "one that was taken out":
                connection.execute(sealed.delete().where(sealed.c.id == kept[4]["id"]))
        if what == "another's":
            other = climbed(ledger, ring, DISCOPOP + b"\n")
            with ledger.database.writing() as connection:
                connection.execute(sealed.delete().where(sealed.c.run == run))
                connection.execute(update(sealed).where(sealed.c.run == other).values(run=run))
        with pytest.raises(UserError, match=r"records of run \d+ do not hold"):
            promoted(ledger, ledger.run(run), trusted)


@pytest.mark.parametrize("to", [b"-99.75", b"]"], ids=["other limits", "no report"])
def test_a_report_that_no_record_vouches_for_gives_no_limits(tmp_path: Path, ring: Keyring, to: bytes) -> None:
    with Ledger(tmp_path) as ledger:
        run = climbed(ledger, ring)
        left = next(one for one in ledger.attachments(run) if one.name == "report.json")
        data = ledger.document(left.sha256).replace(b"-17.75", to)
        digest = ledger.keep(data)
        attachments = metadata.tables["attachments"]
        with ledger.database.writing() as connection:
            connection.execute(update(attachments).where(attachments.c.name == "report.json").values(artifact=digest))
        with pytest.raises(UserError, match="no report of its properties that a record vouches for"):
            promoted(ledger, ledger.run(run), ring.trusted())


@pytest.mark.parametrize("name", ["markdown", "html", "fences", "ansi", "bidi", "surrogate", "table"])
def test_a_hostile_name_stays_a_name(tmp_path: Path, ring: Keyring, name: str) -> None:
    folder = exported(tmp_path, ring, name=HOSTILE[name], path="losses/" + name + ".py")
    page = (folder / "README.md").read_text("utf-8")
    assert page.splitlines()[0].startswith("# ")
    assert page.splitlines()[2].startswith("**This is a candidate's own code")
    assert "<script" not in page
    assert "\x1b" not in page
    assert "[x](http" not in page
    imported(folder).Loss()


@pytest.mark.parametrize("name", ["my-loss", "2loss", "torch", "trl", "class.x", "lo\u00dfs"])
def test_a_folder_that_nobody_could_import_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name that a program could import"):
        check_folder(tmp_path / name)


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("full", "file", "link"):
        with pytest.raises(UserError, match="is no empty folder"):
            write({"a.py": b"1"}, tmp_path / name)
    with pytest.raises(UserError, match="there is no folder"):
        write({"a.py": b"1"}, tmp_path / "none" / "loss")
    write({"a.py": b"1"}, tmp_path / "empty")
    assert {path.name for path in tmp_path.iterdir()} == {"full", "file", "link", "empty"}
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]
    assert (tmp_path / "empty" / "a.py").read_bytes() == b"1"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.core import files

    whole = files.write_whole

    def full(path: Path, data: bytes, mode: int = 0o666) -> None:
        if path.name == "b.py":
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, data, mode)

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(InfrastructureError, match="No space left on device"):
        write({"a.py": b"1", "b.py": b"2"}, tmp_path / "loss")
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_of_it_is_data(tmp_path: Path, ring: Keyring) -> None:
    folder = exported(tmp_path, ring)
    known: dict[str, Any] = json.loads((folder / "loss.json").read_bytes())
    assert known["limits"]["beta"] == [0.025, 1.0]
    assert known["limits"]["by_rho"]
    assert {at["beta"]: at["below"] for at in known["limits"]["onset"]}[5.0] == -17.75
