"""Errors, sorted by whose fault they are.

A candidate's fault is a finding and ends in a verdict. A user's fault ends in exit code 2.
A fault of ours ends in exit code 3 and in no verdict at all: it is never shown as a finding, and
never as a pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.core.verdict import Finding


class HarnessError(Exception):
    """Something went wrong in the harness."""

    exit_code = 3

    def __init__(self, message: str | None = None, *, remedy: str = "") -> None:
        """Keep the sentence a person reads (default: the class's docstring) and the next step."""
        self.message = message or (type(self).__doc__ or type(self).__name__).strip()
        self.remedy = remedy
        super().__init__(self.message)


class UserError(HarnessError):
    """The command cannot be carried out as it was given."""

    exit_code = 2


class CandidateFault(HarnessError):
    """The candidate broke a rule."""

    exit_code = 1

    def __init__(self, *findings: Finding) -> None:
        """Carry one finding or more; the first one gives the message."""
        if not findings:
            raise ValueError("a candidate's fault needs at least one finding")
        self.findings = findings
        super().__init__(findings[0].message)


class InfrastructureError(HarnessError):
    """The harness could not decide; nothing is known about the candidate.

    `passing` tells whether it may be otherwise in a while, by itself or when somebody has made room.
    """

    exit_code = 3
    passing = False


class StoppedError(InfrastructureError):
    """Whoever asked for the work wants it no more. What it has made so far stays, and it can be gone on with."""


class EngineUnavailableError(InfrastructureError):
    """No container engine answers."""

    passing = True


class ImageMissingError(InfrastructureError):
    """The sandbox image is not on this machine."""


class SandboxLostError(InfrastructureError):
    """The sandbox went away, and not by the candidate's doing."""

    def __init__(self, message: str | None = None, *, remedy: str = "run the check again") -> None:
        """As any other, with the step that usually helps."""
        super().__init__(message, remedy=remedy)


class HostBusyError(SandboxLostError):
    """The sandbox was ended at a time limit, and a host with other work cannot say whose the time was."""


class KernelLostError(SandboxLostError):
    """gVisor's kernel came to an end: by a fault of its own, or by the doing of the candidate. A second try tells."""
