"""Claims, leases, places and priorities, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from ledger_samples import PROFILE, candidate, checkpoint, claim, rows, submit
from sqlalchemy import func, select, update
from sqlalchemy.pool import QueuePool

from harness.core import processes
from harness.core.errors import UserError
from harness.ledger import Ledger
from harness.ledger.operator_actions import _LOCK, PRIORITY_SECONDS
from harness.ledger.queue import MOST_FAULTS, LeaseLostError
from harness.ledger.records import Decision, Score, State
from harness.ledger.tables import runs, slots


def age(ledger, run, seconds):
    """Make a run as old as if it had been submitted that much earlier."""
    with ledger.database.writing() as connection:
        connection.execute(update(runs).where(runs.c.id == run).values(place=runs.c.place - seconds))


def silence(ledger, held):
    """Let a lease end now, and the back-off with it."""
    assert ledger.renew(held, -1.0)


def test_a_candidate_has_one_run_however_often_it_is_submitted(ledger):
    first = ledger.submit([candidate(1), candidate(2), candidate(1)], **PROFILE, needs="cpu")
    assert [s.fresh for s in first] == [True, True, False]
    assert first[0].run == first[2].run < first[1].run
    again = ledger.submit([candidate(2), candidate(3)], **PROFILE, needs="cpu")
    assert [(s.run == first[1].run, s.fresh) for s in again] == [(True, False), (False, True)]
    assert [e.kind for e in ledger.events(first[0].run)] == ["submitted", "submitted-again"]
    other = ledger.submit([candidate(1)], profile="other", profile_digest="e" * 64, needs="cpu")
    assert other[0].fresh
    assert ledger.text(ledger.run(other[0].run)) == candidate(1)[0].data


def test_runs_are_claimed_in_the_order_of_their_submission(ledger):
    submitted = submit(ledger, range(450))  # more than one transaction
    assert submitted == sorted(submitted)
    assert [claim(ledger, f"w{n}").run.id for n in range(5)] == submitted[:5]


def test_two_who_submit_the_same_candidates_in_other_orders_do_not_wait_in_a_circle(ledger):
    both = threading.Barrier(2)

    def send(way):
        for turn in range(12):
            both.wait(120)
            out[way] += submit(ledger, range(150 * turn, 150 * turn + 150)[::way])[::way]

    out: dict[int, list[int]] = {1: [], -1: []}
    senders = [threading.Thread(target=send, args=(way,)) for way in out]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    assert out[1] == out[-1]
    assert len({*out[1]}) == 12 * 150


def test_in_postgresql_too_one_submits_at_a_time(postgres, tmp_path):
    """Or two with the same candidates in other orders would wait for each other's rows, as they do now and then."""
    with Ledger(tmp_path, database=postgres.database()) as ledger:
        other = threading.Thread(target=submit, args=(ledger,))
        with ledger.database.writing() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            other.start()
            other.join(0.5)
            assert other.is_alive()
            assert ledger.runs() == []
        other.join()
        assert len(ledger.runs()) == 1


def test_priority_is_a_head_start_and_not_a_right_of_way(ledger):
    plain, urgent = submit(ledger, [1])[0], submit(ledger, [2], priority=2)[0]
    assert claim(ledger, "a").run.id == urgent
    ledger.cancel(urgent)
    late = submit(ledger, [3], priority=2)[0]
    age(ledger, plain, 2 * PRIORITY_SECONDS + 60)
    assert claim(ledger, "b").run.id == plain
    assert claim(ledger, "c").run.id == late


def test_a_priority_beyond_all_measure_is_refused(ledger):
    with pytest.raises(UserError):
        submit(ledger, priority=10**9)


def test_a_worker_gets_what_it_has_room_for(ledger):
    gpu, cpu = submit(ledger, [1], needs="gpu")[0], submit(ledger, [2])[0]
    assert ledger.claim("w", slot="a", needs=("tpu",)) is None
    assert claim(ledger, "w", "a").run.id == cpu
    assert claim(ledger, "v", "b", needs=("cpu", "gpu")).run.id == gpu


def test_one_run_alone_can_be_claimed(ledger):
    submit(ledger, [1])
    second = submit(ledger, [2])[0]
    assert claim(ledger, only=second).run.id == second
    assert ledger.claim("v", slot="v", needs=("cpu",), only=second) is None


def test_a_place_takes_one_run_at_a_time(ledger):
    submit(ledger, [1, 2])
    held = claim(ledger, "first", "host/gpu/0")
    assert ledger.claim("second", slot="host/gpu/0", needs=("cpu",)) is None
    checkpoint(ledger, held, 0, next_needs=None)
    assert claim(ledger, "second", "host/gpu/0")


def test_many_who_claim_at_once_get_different_runs_and_different_places(ledger):
    submit(ledger, range(30))
    got, busy = [], []

    def work(owner):
        for _ in range(10):
            held = ledger.claim(owner, slot=f"place/{int(owner) % 3}", needs=("cpu",))
            if held is None:
                busy.append(owner)
                continue
            got.append(held.run.id)
            assert len(rows(ledger, "slots")) <= 3
            checkpoint(ledger, held, 0, next_needs=None)

    workers = [threading.Thread(target=work, args=(str(n),)) for n in range(6)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(got) == len({*got}) >= 10
    assert len(got) + len(busy) == 60
    assert rows(ledger, "slots") == []


def test_what_a_silent_worker_held_goes_to_another_and_the_first_is_refused(ledger):
    run = submit(ledger)[0]
    zombie = claim(ledger, "zombie", "place")
    silence(ledger, zombie)
    held = claim(ledger, "next", "place", back_off=0.0)
    assert (held.run.id, held.attempt) == (run, 2)
    assert held.run.faults == 1
    assert not ledger.renew(zombie)
    for write in (
        lambda: checkpoint(ledger, zombie, 0),
        lambda: ledger.save_scores(zombie, "zero", [Score(0, "m", 1.0)]),
        lambda: ledger.same_function(zombie, "f" * 64, lambda _: None),
        lambda: ledger.reject(zombie, "late"),
        lambda: ledger.fault(zombie, "late"),
        lambda: ledger.release(zombie),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert ledger.promotions() == []
    assert rows(ledger, "results") == rows(ledger, "functions") == []
    assert ledger.run(run).attempt == 2
    assert [row["attempt"] for row in rows(ledger, "slots")] == [2]


def a_dead_process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = f"host/{child.pid}/{processes.machine()}:{child.pid}:{processes.start_time(child.pid)}/ab"
        child.kill()
    return name


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_at_once(ledger):
    dead, (first, second) = a_dead_process(), submit(ledger, [1, 2])
    claim(ledger, dead, "place")
    assert ledger.holder(first).lapsed
    # By whoever asks for it, without the wait; by others as after any silence. Its place is free, too.
    held = claim(ledger, "next", "place", only=first)
    assert (held.run.id, held.attempt, held.run.faults) == (first, 2, 1)
    assert f"its worker {dead} died" in str(ledger.events(first)[-2].detail["reason"])
    claim(ledger, dead, "other", only=second)
    assert ledger.claim("v", slot="other", needs=("cpu",)) is None
    assert ledger.run(second).state is State.QUEUED
    assert ledger.run(second).not_before > ledger.run(second).changed


def test_the_lease_of_a_living_process_or_of_another_machine_is_not(ledger):
    here = f"host/{os.getppid()}/{processes.machine()}:{os.getppid()}:{processes.start_time(os.getppid())}/ab"
    elsewhere = f"host/7/{'0' * 36}.1:7:7/cd"
    for number, owner in enumerate([here, elsewhere, "w"]):
        run = submit(ledger, [number])[0]
        claim(ledger, owner, f"place/{number}")
        assert ledger.claim("v", slot="v", needs=("cpu",), only=run) is None
        holder = ledger.holder(run)
        assert not holder.lapsed
        assert holder.place == f"place/{number}"
        assert 0.0 < holder.left <= 30.0
    assert holder.told == "w (worker place/2)"
    assert ledger.holder(1).told == f"process {os.getppid()} on host (worker place/0)"
    ledger.cancel(run)
    assert ledger.holder(run) is None


def test_a_clock_that_is_set_back_keeps_nobody_waiting_for_its_hours(ledger):
    """Leases and waits are written by the database's clock: what ends later than any of them may is over."""
    held, waiting = claim(ledger, "silent", "a", only=submit(ledger, [1])[0]), submit(ledger, [2])[0]
    late = time.time() + 7200.0
    with ledger.database.writing() as connection:
        connection.execute(update(runs).where(runs.c.id == held.run.id).values(lease=late))
        connection.execute(update(slots).values(lease=late))
        connection.execute(update(runs).where(runs.c.id == waiting).values(not_before=late))
    assert ledger.holder(held.run.id).lapsed
    assert claim(ledger, "v", "a", only=held.run.id).attempt == 2
    assert claim(ledger, "w", "b").run.id == waiting


def test_a_lease_that_is_renewed_in_time_is_kept(ledger):
    submit(ledger)
    held = claim(ledger, lease=60.0)
    assert ledger.renew(held, 3600.0)
    with ledger.database.writing() as connection:  # ten minutes later
        connection.execute(update(runs).values(lease=runs.c.lease - 600.0))
        connection.execute(update(slots).values(lease=slots.c.lease - 600.0))
    assert ledger.claim("other", slot="other", needs=("cpu",), back_off=0.0) is None
    assert rows(ledger, "slots")[0]["lease"] == ledger.run(held.run.id).lease


def test_a_place_is_not_given_away_while_its_lease_is_being_renewed(ledger):
    """The run's lease is written first: between the two the place looks as if it were left behind."""
    submit(ledger, [1, 2])
    claim(ledger, "w", "gpu")
    with ledger.database.writing() as connection:
        connection.execute(update(slots).values(lease=0.0))
    assert ledger.claim("v", slot="gpu", needs=("cpu",)) is None
    assert len(rows(ledger, "slots")) == 1


def test_times_are_the_databases_own(ledger, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)  # a worker whose clock is wrong
    run = ledger.run(submit(ledger)[0])
    monkeypatch.undo()
    assert abs(run.submitted - time.time()) < 600.0
    held = claim(ledger, lease=12.0)
    assert held.run.lease is not None
    assert held.run.lease - held.run.changed == pytest.approx(12.0)


def test_a_worker_that_asks_again_for_its_place_has_let_go_of_its_run(ledger):
    """The answer to its claim was lost with the connection, or it was started again under the same name."""
    run = submit(ledger)[0]
    lost = claim(ledger, "w", "place")
    again = claim(ledger, "w", "place", back_off=0.0)
    assert (again.run.id, again.attempt, again.run.faults) == (run, 2, 1)
    assert not ledger.renew(lost)


def test_faults_of_ours_wait_longer_each_time_and_then_end_the_run(ledger):
    run = submit(ledger)[0]
    waits = []
    for attempt in range(1, MOST_FAULTS):
        assert ledger.fault(claim(ledger, back_off=0.0), "the engine is away", 100.0) is State.QUEUED
        waits.append(ledger.run(run).not_before - ledger.run(run).changed)
        assert ledger.claim("w", slot="w", needs=("cpu",)) is None, attempt
        with ledger.database.writing() as connection:
            connection.execute(update(runs).values(not_before=0.0))
    assert waits == pytest.approx([100.0 * 2**n for n in range(MOST_FAULTS - 1)])
    assert ledger.fault(claim(ledger), "the engine is away") is State.FAILED
    assert "3 attempts: the engine is away" in ledger.run(run).reason


def test_a_run_that_kills_its_worker_ends_after_its_attempts_and_blocks_nobody(ledger):
    poison, other = submit(ledger, [1, 2])
    for _ in range(MOST_FAULTS):
        held = claim(ledger, "w", "w", back_off=0.0)
        assert held.run.id == poison
        silence(ledger, held)
    assert claim(ledger, "w", "w").run.id == other
    assert ledger.run(poison).state is State.FAILED


def test_a_checkpoint_forgives_earlier_faults(ledger):
    run = submit(ledger)[0]
    ledger.fault(claim(ledger), "once", 0.0)
    held = claim(ledger)
    assert held.run.faults == 1
    checkpoint(ledger, held, 0)
    assert ledger.run(run).faults == 0


def test_a_worker_that_is_told_to_stop_gives_its_run_back_unharmed(ledger):
    run = submit(ledger)[0]
    held = claim(ledger)
    checkpoint(ledger, held, 0)
    ledger.release(held)
    assert rows(ledger, "slots") == []
    held = claim(ledger, "other")
    assert (held.run.id, held.run.rung, held.run.faults) == (run, 1, 0)


def test_one_process_dies_and_its_forked_child_keeps_a_connection_of_its_own(database_url, tmp_path):
    import os

    with Ledger(tmp_path, database=database_url) as ledger:
        submit(ledger)
        before = ledger.database.engine.pool
        assert isinstance(before, QueuePool)
        assert before.checkedin() > 0
        child = os.fork()
        if child == 0:
            pool = ledger.database.engine.pool
            os._exit(0 if isinstance(pool, QueuePool) and pool.checkedin() == 0 and claim(ledger).attempt == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert ledger.runs()[0].state is State.RUNNING
        held = claim(ledger, back_off=0.0)
        assert checkpoint(ledger, held, 0, decision=Decision("reject", "no")) is State.REJECTED
