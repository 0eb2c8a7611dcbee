"""One single-use container: start it, exchange frames with it, find out why it died, remove it."""

from __future__ import annotations

import secrets
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.containers import isolation
from harness.containers.isolation import Evidence, NotIsolatedError, Problem, problems
from harness.containers.request import name_of
from harness.containers.started import start
from harness.containers.stream import DeadlineError, FloodError, StreamClosedError, Streams
from harness.core.errors import CandidateFault, HostBusyError, InfrastructureError, KernelLostError, SandboxLostError
from harness.oracle.overdue import CANDIDATE, NOBODY, Overdue
from harness.protocol import frames, rules
from harness.sandbox import confinement
from harness.sandbox import wire as layout

if TYPE_CHECKING:
    from harness.containers.engine import Engine
    from harness.containers.request import Recipe
    from harness.containers.started import HandedOver, Started

_DRAIN_SECONDS = 0.3
_SETTLE_SECONDS = 1.0
#: Between two looks at a request that is late, in seconds.
_BETWEEN_LOOKS = 1.0
#: What a program in Go, such as gVisor, ends with where it is at fault itself. Our server never ends so.
_GO_PANIC = 2
#: What the server ends with when its stdin was closed: the engine lost the connection, and we said no farewell.
_FAREWELL = 0
_KILLED = (128 + signal.SIGKILL, 128 + signal.SIGTERM)
#: How long the engine may take to hear of an end, in seconds.
_ENGINE_HEARS_SECONDS = 2.0


class Sandbox:
    """A container that holds one candidate and nothing else.

    Every method may raise CandidateFault (time, memory, death, forged bytes, flood) or
    InfrastructureError. After either the container is dead; `close` removes it in any case.
    """

    #: Set where another process started it; nobody has used it either.
    handed_over: HandedOver | None = None

    def __init__(self, engine: Engine, recipe: Recipe, started: Started | None = None) -> None:
        """Start a container, or take the one that was `started` for this recipe."""
        self._engine = engine
        self._limits = recipe.limits
        self._spent = 0.0
        self._batches = 0
        self._began, self._starting = time.monotonic(), 0.0
        #: The time by the clock at which the processor is looked at again, where all requests together are late.
        self._look = 0.0
        self._saw_candidate = False
        self.versions = ("", "")
        #: What the witnesses said, once the sandbox is ready, and the layers that do not hold but may be waived.
        self.evidence: Evidence | None = None
        self.reservations: tuple[Problem, ...] = ()
        started = started or start(engine, recipe)
        self.container = started.container
        #: What it is made of.
        self.recipe = started.recipe
        self._warnings = started.warnings
        self.handed_over = started.handed_over
        if started.not_limited:
            self.reservations = (Problem("disk limit", started.not_limited, isolation.DISK, waivable=True),)
        self._streams = Streams(
            started.attached, cap=recipe.limits.output, shown=recipe.limits.shown, stopping=recipe.stopping
        )
        if self.handed_over is not None:
            self._built = self.handed_over.built
            return
        try:
            # Torch is being loaded inside meanwhile, so that nobody waits for this.
            self._built = engine.describe(self.container)
        except BaseException:
            self.close()
            raise

    @property
    def output(self) -> str:
        """What the candidate printed so far: untrusted, capped."""
        return self._streams.output.decode("utf-8", "replace")

    def wait_ready(self) -> None:
        """Wait until torch is loaded inside, and see that the sandbox isolates.

        Raises NotIsolatedError, with every layer that does not hold, before any candidate could be sent. Any
        other failure here is ours too. Of one that is ready already nothing is asked again.
        """
        if self.evidence is not None:
            return
        if self.handed_over is not None:
            payload = self.handed_over.ready
        else:
            deadline = time.monotonic() + self._limits.start
            _, payload = self._receive(0, (layout.READY,), deadline)
        try:
            ready = frames.parse_ready(payload)
        except frames.WireError as error:
            raise InfrastructureError(f"the sandbox image is not usable: {error}") from error
        self._starting = time.monotonic() - self._began
        if self.handed_over is not None:
            self._starting += self.handed_over.processor / self._limits.cpus
        self.versions = ready.versions
        self.evidence = Evidence(self._warnings, self._built, ready.confinement)
        self._isolated(self.evidence)

    def hand_over(self, engine: Engine, recipe: Recipe) -> None:
        """Let somebody else have one that no candidate has seen, by a connection of theirs; the name says whose it is.

        `recipe` is what it was made of, with their labels. Raises InfrastructureError where the engine will not.
        """
        label = next((one for one in recipe.labels if one not in self.recipe.labels), ("", ""))
        engine.rename(self.container, f"{name_of(label)}{self.container[:12]}")
        self._engine, self.recipe = engine, replace(recipe, disk=self.recipe.disk)
        self._streams.heed(recipe.stopping)

    def _isolated(self, evidence: Evidence) -> None:
        """See that every layer holds that was asked for, and let nobody send a candidate where one does not."""
        found = problems(evidence, self.recipe)
        self.reservations += tuple(p for p in found if p.waivable)
        if refusals := [p for p in found if not p.waivable]:
            raise self._dead(NotIsolatedError(refusals))

    def request(
        self,
        kind: int,
        payload: bytes,
        expected: tuple[int, ...],
        seconds: float,
        cap: int = 1 << 16,
        batches: int = 0,
    ) -> tuple[int, bytes]:
        """Send one frame, with so many batches in it, and take its reply.

        From the first one on, failures count as the candidate's.
        """
        self._saw_candidate = True
        started = time.monotonic()
        seconds += self._limits.batch * batches
        self._batches += batches
        left = self._left()
        allowed = seconds if self._limits.patience > 1.0 else min(seconds, left)
        deadline = started + allowed
        sequence = secrets.randbits(32) | 1
        if not self.container:
            raise SandboxLostError
        try:
            patient = started + allowed * self._limits.patience
            self._streams.write(frames.pack_frame(kind, sequence, payload), patient)
        except DeadlineError:
            raise self._dead(self._why_late(self._time_fault("a request", seconds))) from None
        except StreamClosedError:
            raise self._dead(self._why_closed()) from None
        # The end of a fork answers no request: it carries the number 0.
        answers = 0 if expected == (layout.ENDED,) else sequence
        try:
            return self._receive(answers, expected, deadline, cap, allowed)
        except DeadlineError:
            raise self._dead(self._why_late(self._time_fault("one answer", seconds))) from None
        finally:
            self._spent += time.monotonic() - started

    def settle_output(self) -> None:
        """Wait until all that was printed so far is here: it comes apart from the answers, and may come later.

        No fork may be running. What nobody could have known beforehand is printed behind it, and waited for.
        """
        mark = secrets.token_bytes(16)
        deadline = time.monotonic() + _SETTLE_SECONDS
        try:
            self._streams.write(frames.pack_frame(layout.MARK, 0, mark), deadline)
            self._streams.take_until(mark, deadline)
        except (DeadlineError, StreamClosedError):
            return
        except FloodError:
            raise self._dead(self._flooded()) from None

    def reset_clock(self) -> None:
        """Begin anew to count the time that all requests together may take."""
        self._starting += self._spent  # not these requests', and used all the same
        self._spent, self._batches, self._look = 0.0, 0, 0.0

    def forged(self, why: str) -> CandidateFault:
        """End the sandbox because a payload was no valid reply; give the fault to raise."""
        fault = self._dead(self._forged(why))
        if not isinstance(fault, CandidateFault):
            raise fault
        return fault

    def close(self) -> None:
        """Kill and remove the container. The streams go last: without them it would begin to end by itself."""
        if self.container:
            container, self.container = self.container, ""
            with self._streams.discarded():
                self._engine.remove(container)
        self._let_go()

    def dismiss(self) -> None:
        """Have it killed and removed, and do not wait for that: the engine's `settle` does, or its `close`."""
        container, self.container = self.container, ""
        try:
            if container:
                self._engine.remove_soon(container)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._streams.close()
        if self.handed_over is not None:
            self.handed_over.keep()

    def abandon(self) -> str:
        """Go away as a harness does that is killed: the container has to end by itself. Gives its id."""
        self._let_go()
        return self.container

    def _receive(
        self, sequence: int, expected: tuple[int, ...], deadline: float, cap: int = 1 << 16, allowed: float = 0.0
    ) -> tuple[int, bytes]:
        if not self.container:
            raise SandboxLostError
        try:
            head, deadline = self._read(layout.HEADER.size, deadline, allowed)
            kind, length = frames.parse_header(head, sequence=sequence, expected=expected)
            if length > cap:
                raise frames.WireError(f"a reply announces {length} bytes where {cap} are the most")
            return kind, self._read(length, deadline, allowed)[0]
        except frames.WireError as error:
            ended = self._fork_ended(head, deadline)
            raise self._dead(ended or self._forged(str(error))) from None
        except DeadlineError:
            if allowed:
                raise
            raise self._dead(self._why_late(self._time_fault("its start", self._limits.start))) from None
        except StreamClosedError:
            raise self._dead(self._why_closed()) from None
        except FloodError:
            raise self._dead(self._flooded()) from None

    def _read(self, size: int, deadline: float, allowed: float) -> tuple[bytes, float]:
        """Read, and where it gets late find out whose time it was; the data, and the deadline as it is then.

        Raises DeadlineError where it was the candidate's, SandboxLostError where the host may be the reason.
        """
        overdue: Overdue | None = None
        while True:
            try:
                return self._streams.read(size, deadline), deadline
            except DeadlineError:
                state = self._engine.state(self.container) if allowed and self._limits.patience > 1.0 else {}
                if not state.get("Running") or state.get("Paused"):
                    raise
            overdue = overdue or Overdue(allowed, self._limits.patience)
            used = self._engine.processor(self.container)
            whose = overdue.whose(used, self._at_least(used))
            if whose == CANDIDATE:
                raise DeadlineError
            if whose != NOBODY:
                raise self._dead(self._busy())
            deadline = time.monotonic() + _BETWEEN_LOOKS

    def _at_least(self, used: float | None) -> float:
        """What the sandbox has used of its processor for this request, if it used all that it could before it."""
        return (used or 0.0) - self._limits.cpus * (self._starting + self._spent)

    def _left(self) -> float:
        """What is left of the time for all requests together, in seconds. Raises where nothing is."""
        total = self._limits.total + self._limits.batch * self._batches
        if (left := total - self._spent) > 0.0:
            return left
        if self._limits.patience > 1.0:
            if self._spent < self._look:
                return total
            used = self._engine.processor(self.container)
            of_its_own = (used or 0.0) - self._limits.cpus * self._starting
            if of_its_own < total:
                if self._spent > total * self._limits.patience:
                    raise self._dead(self._busy())
                self._look = self._spent + total - of_its_own
                return total
        raise self._dead(self._time_fault("all its answers together", total))

    def _busy(self) -> HostBusyError:
        return HostBusyError(
            "the sandbox did not answer in time, and did not get the processor's time either",
            remedy="run the check again when the host is less busy",
        )

    def cpu(self) -> float | None:
        """Processor time that the sandbox has used so far, in seconds, as the engine measures it; None: not told."""
        return self._engine.processor(self.container) if self.container else None

    def _fork_ended(self, head: bytes, deadline: float) -> Exception | None:
        """Recognise the report that the fork died in the middle of a request."""
        magic, kind, _, length = layout.HEADER.unpack(head)
        if magic != layout.MAGIC or kind != layout.ENDED or length != frames.ENDED_SIZE or self._streams is None:
            return None
        try:
            status, starved = frames.parse_ended(self._streams.read(frames.ENDED_SIZE, deadline))
        except (DeadlineError, StreamClosedError, FloodError):
            return None
        return self._why_fork_ended(status, starved=starved)

    @property
    def _is_gvisor(self) -> bool:
        return self.evidence is not None and self.evidence.inside.has(confinement.GVISOR)

    def _dead(self, fault: Exception) -> Exception:
        """Remove the container before the fault is raised; a fault from before the candidate is ours."""
        self.close()
        if self._saw_candidate or isinstance(fault, InfrastructureError):
            return fault
        return SandboxLostError(f"the sandbox failed before it saw the candidate: {fault}")

    def _time_fault(self, what: str, seconds: float) -> CandidateFault:
        message = f"it took longer than {seconds:g} s for {what}"
        return CandidateFault(rules.TIME_LIMIT.finding(message, detail=self.output))

    def _flooded(self) -> CandidateFault:
        message = f"it printed more than {self._limits.output} bytes"
        return CandidateFault(rules.OUTPUT_FLOOD.finding(message, detail=self.output))

    def _forged(self, why: str) -> CandidateFault:
        message = f"the bytes on the wire are no valid answer: {why}"
        return CandidateFault(rules.FORGED_ANSWER.finding(message, detail=self.output))

    def _out_of_memory(self) -> CandidateFault:
        message = f"it used more than {self._limits.memory >> 20} MiB of memory"
        return CandidateFault(rules.MEMORY_LIMIT.finding(message, detail=self.output))

    def _why_fork_ended(self, status: int, *, starved: bool) -> Exception:
        self._streams.drain(_DRAIN_SECONDS)
        number = status & 0x7F
        if number == signal.SIGKILL and (starved or self._engine.state(self.container).get("OOMKilled")):
            return self._out_of_memory()
        if number:
            try:
                how = f"it was ended by {signal.Signals(number).name}"
            except ValueError:
                how = f"it was ended by signal {number}"
        else:
            how = f"it ended its process with exit code {status >> 8 & 0xFF}"
        return CandidateFault(rules.SANDBOX_DIED.finding(how, detail=self.output))

    def _why_late(self, fault: CandidateFault) -> Exception:
        """Nothing came in time: the candidate is slow, unless the engine knows what kept it from answering.

        A stream that the engine holds back while the container runs looks like a candidate that sleeps, and is
        taken for one.
        """
        state = self._engine.state(self.container)
        if state.get("Paused"):
            return SandboxLostError("the sandbox was paused from outside")
        return fault if state.get("Running") else self._why_closed()

    def _why_closed(self) -> Exception:
        """The whole container is gone: memory, an end from inside, or a kill from outside."""
        self._streams.drain(_DRAIN_SECONDS)
        state = self._final_state()
        if state.get("OOMKilled"):
            return self._out_of_memory()
        if self._is_gvisor and state.get("ExitCode") in {_GO_PANIC, *_KILLED}:
            # Ours or the candidate's: that of a second sandbox tells (`harness.checks.judging`).
            return KernelLostError("gVisor itself came to an end", remedy="run the check again, and update gVisor")
        if not state or state.get("Running") or state.get("ExitCode") in {_FAREWELL, *_KILLED}:
            # Process 1 cannot be killed from inside its own container, nor its stdin closed: somebody outside did it.
            return SandboxLostError("the sandbox was ended from outside", remedy="run the check again")
        how = f"the sandbox ended with exit code {state.get('ExitCode')}"
        return CandidateFault(rules.SANDBOX_DIED.finding(how, detail=self.output))

    def _final_state(self) -> dict[str, Any]:
        """The engine's account of the end. It may hear of it later than we do, and of a want of memory later still."""
        until = time.monotonic() + _ENGINE_HEARS_SECONDS
        while True:
            state = self._engine.state(self.container)
            settled = not state or (not state.get("Running") and state.get("ExitCode") not in _KILLED)
            if settled or state.get("OOMKilled") or time.monotonic() > until:
                return state
            time.sleep(0.1)
