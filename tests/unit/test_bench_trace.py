"""The trace of system calls: what is read of strace's lines, and the list that they are held against."""

from __future__ import annotations

from bench.trace import REASONS, allowed, made

LINES = """\
10<runc:[2:INIT]> openat(AT_FDCWD, "", O_RDONLY) = 3
10<runc:[2:INIT]> seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=500, filter=0x1}) = 0
10<runc:[2:INIT]> execve("", 0x1, 0x2) = 0
11<runc:[2:INIT]> mount(NULL, "", NULL, 0, NULL) = 0
12<python3> read(0, "", 16) = 16
12<python3> <... futex resumed> = 0
12<python3> socket(AF_INET, SOCK_STREAM, 0) = -1 EPERM (Operation not permitted)
13<containerd> epoll_pwait(4, [], 128, 0, NULL, 0) = 0
12<python3> +++ exited with 0 +++
"""


def test_calls_behind_the_filter_are_told_from_those_before_it() -> None:
    seen, refused = made(iter(LINES.splitlines()))
    assert seen == {"execve", "read", "futex", "socket"}
    assert refused == {"socket"}


def test_the_list_is_that_of_the_sandbox() -> None:
    assert {"read", "execve", "futex"} <= allowed()
    assert not {"socket", "mount", "ptrace", "bpf"} & allowed()


def test_what_was_not_seen_has_one_reason() -> None:
    explained = [name for names in REASONS.values() for name in names.split()]
    assert len(explained) == len(set(explained))
