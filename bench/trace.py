"""`python -m bench.trace [PATH...]`: the system calls that sandboxes make, held against the seccomp allow-list.

For maintainers, as root on a host with Docker and strace. The candidates (the catalogue by default) are checked while
containerd is traced with all its children. Printed are the calls that were made and are not on the list, which has to
be none; those that were refused; and those that are on the list and were not made, each of which needs a reason in
`REASONS`. Exit code 1 where one of the first or the last kind is found.

Not covered: other processors than this one, other kernels, gVisor, and what only another version of torch or of the
runtime does; the list therefore keeps close relatives of what was seen.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "dockerfiles" / "seccomp.json"
#: `4711<python3> read(0, ...` or, where another process came between, `4711<python3> <... read resumed>`.
_LINE = re.compile(r"^\d+<(?P<comm>[^>]*)>\s+(?:<\.\.\. )?(?P<name>\w+)(?:\(| resumed>)")
_REFUSED = re.compile(r"= -1 (EPERM|ENOSYS)")
#: With a filter; without one, runc only asks what the kernel knows.
_FILTER = re.compile(r"seccomp\(SECCOMP_SET_MODE_FILTER, [^,]+, \{len")
#: The stage of runc that loads the filter and then becomes the sandbox.
_RUNC = "runc:[2:INIT]"

#: Allowed without having been seen here: why.
REASONS = {
    "other C libraries and processors use these in place of calls that were seen": (
        "access arch_prctl clock_getres dup2 epoll_pwait epoll_wait faccessat faccessat2 fork fstat getdents64 getpgrp "
        "getrlimit lstat nanosleep newfatstat open pause pipe poll pselect6 readlinkat select setrlimit stat statfs "
        "statx time unlink vfork"
    ),
    "threads and memory of torch with other settings": (
        "futex_waitv getcpu madvise membarrier mremap sched_get_priority_max sched_get_priority_min sched_getaffinity "
        "sched_getparam sched_getscheduler sched_setaffinity sched_yield sigaltstack"
    ),
    "the runtime, on its way to become the sandbox": "epoll_ctl execve",
    "harmless questions about oneself": (
        "clock_gettime fstatfs getcwd getegid geteuid getgid getgroups getpid getppid getpriority getresgid getresuid "
        "getrusage gettimeofday getuid sysinfo uname"
    ),
    "Python's own file and process functions": (
        "clock_nanosleep close_range dup dup3 eventfd2 exit exit_group fadvise64 fcntl ftruncate kill pipe2 ppoll "
        "prctl pread64 preadv pwrite64 readlink readv restart_syscall rt_sigpending rt_sigprocmask rt_sigsuspend "
        "rt_sigtimedwait tgkill unlinkat waitid writev"
    ),
}


def allowed() -> set[str]:
    """Names on the list, with or without conditions on their arguments."""
    document = json.loads(LIST.read_text("utf-8"))
    return {n for entry in document["syscalls"] if entry["action"] == "SCMP_ACT_ALLOW" for n in entry["names"]}


def made(lines: Iterator[str]) -> tuple[set[str], set[str]]:
    """From strace's lines, the calls of sandboxes behind the filter: all of them, and those that were refused."""
    seen, refused, filtered = set[str](), set[str](), set[str]()
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        process = line.partition("<")[0]
        if found["comm"] == _RUNC:
            if _FILTER.search(line):
                filtered.add(process)
                continue
            if process not in filtered:
                continue
        elif not found["comm"].startswith("python3"):
            continue
        seen.add(found["name"])
        if _REFUSED.search(line):
            refused.add(found["name"])
    return seen, refused


@contextlib.contextmanager
def traced(output: Path) -> Iterator[None]:
    """Trace containerd and whatever it starts meanwhile, into a file."""
    if shutil.which("strace") is None:
        raise SystemExit("strace is missing: apt-get install strace")
    containerd = subprocess.run(["pidof", "containerd"], capture_output=True, text=True, check=True).stdout.split()
    command = ["strace", "-f", "-qq", "--decode-pids=comm", "-s", "0", "-o", str(output)]
    tracer = subprocess.Popen([*command, *(word for pid in containerd for word in ("-p", pid))])
    time.sleep(2.0)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(paths: tuple[Path, ...]) -> None:
    """Trace a check and print what it says about the list."""
    from harness.checks.options import Options  # noqa: PLC0415 - not needed to read a trace
    from harness.checks.run import check  # noqa: PLC0415

    paths = paths or (ROOT / "harness" / "losses",)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "strace"
        with traced(output):
            check([*paths], Options(), lambda job, result: click.echo(f"{result.verdict.word:9} {job.shown}", err=True))
        with output.open("r", errors="replace") as lines:
            seen, refused = made(iter(lines))
    explained = {name for names in REASONS.values() for name in names.split()}
    missing, idle = seen - allowed() - refused, allowed() - seen - explained
    print(f"made ({len(seen)}):", *sorted(seen))
    print("refused:", *sorted(refused))
    print("made, not on the list, not refused:", *sorted(missing))
    print("on the list, not made, for a reason:", *sorted((allowed() - seen) & explained))
    print("on the list, not made, without a reason:", *sorted(idle))
    sys.exit(1 if missing or idle or not seen else 0)


if __name__ == "__main__":
    main()
