"""Documents of runs in the database, and places that take one at a time."""

from __future__ import annotations

import threading

import pytest
from ledger_samples import checkpoint, claim, submit
from sqlalchemy import update

from harness.core.errors import UserError
from harness.ledger import Ledger
from harness.ledger.documents import MOST_BYTES
from harness.ledger.failures import LedgerError
from harness.ledger.queue import LeaseLostError
from harness.ledger.tables import artifacts


def test_a_report_can_be_read_wherever_the_database_is(ledger, database_url, tmp_path):
    run = submit(ledger)[0]
    held = claim(ledger)
    first = ledger.attach(held, "one", "report.json", b"{}" * 5000)
    with Ledger(tmp_path / "another machine", database=database_url) as other:
        (found,) = other.attachments(run)
        assert (found.rung, found.name, found.sha256, found.size) == ("one", "report.json", first, 10_000)
        assert other.document(found.sha256) == b"{}" * 5000
    second = ledger.attach(held, "one", "report.json", b"[]")
    assert [a.sha256 for a in ledger.attachments(run)] == [second]
    assert ledger.attach(held, "two", "report.json", b"[]") == second
    assert [a.rung for a in ledger.attachments(run)] == ["one", "two"]


def test_one_that_has_lost_its_lease_attaches_nothing(ledger):
    run = submit(ledger)[0]
    zombie = claim(ledger)
    assert ledger.renew(zombie, -1.0)
    held = ledger.claim("next", slot="next", needs=("cpu",), back_off=0.0) or claim(ledger, "next")
    assert held.attempt == 2
    with pytest.raises(LeaseLostError):
        ledger.attach(zombie, "one", "report.json", b"{}")
    assert ledger.attachments(run) == []


def test_what_is_not_there_too_large_or_changed_is_said(ledger):
    submit(ledger)
    held = claim(ledger)
    with pytest.raises(UserError, match="no document"):
        ledger.document("0" * 64)
    with pytest.raises(LedgerError, match="too large"):
        ledger.attach(held, "one", "report.json", bytes(MOST_BYTES + 1))
    digest = ledger.attach(held, "one", "report.json", b"{}")
    with ledger.database.writing() as connection:
        connection.execute(update(artifacts).values(data=b"no longer zlib"))
    with pytest.raises(LedgerError, match="no longer what it was"):
        ledger.document(digest)


@pytest.mark.rest
def test_a_gpu_has_one_run_at_a_time_whoever_names_it(database_url, tmp_path):
    """Workers on several machines that all say the same GPU: the ledger lets one in at a time."""
    with Ledger(tmp_path, database=database_url) as ledger:
        submit(ledger, range(30), needs="gpu")
    inside: list[str] = []
    most: list[int] = []
    ended: list[int] = []

    def work(name):
        with Ledger(tmp_path, database=database_url) as own:
            while len(ended) < 30:
                held = own.claim(name, slot="host/gpu/0", needs=("gpu",))
                if held is None:
                    continue
                inside.append(name)
                most.append(len(inside))
                for rung in range(3):
                    checkpoint(own, held, rung, next_needs="gpu" if rung < 2 else None)
                    if rung == 1:
                        inside.remove(name)
                ended.append(held.run.id)

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert sorted(ended) == list(range(1, 31))
    assert max(most) == 1
