"""How each script of bench/ is run in a test: as people call it, with the least that it can have to do.

Those that the documents name in a story (`doc_fates.py`) are run there. `test_bench.py` runs what is here, and
`test_bench_runs.py` sees that nothing is left out without a word.
"""

from __future__ import annotations

#: Figures of `python -m bench` that take a second or two each, without a container: `make test`.
AT_ONCE = ("static", "scale", "ledger-leaderboard", "ledger-sqlite", "ledger-claim-sqlite", "ledger-submit-sqlite")
#: With a container, or a server: `make test-rest`.
LATER = (
    "cold",
    "round-trip",
    "warm",
    "gvisor",
    "gvisor-call",
    "ledger-postgresql",
    "ledger-claim-postgresql",
    "ledger-submit-postgresql",
)
#: Minutes: trainings, and an image that is made: `make test-all`.
LAST = (
    "per-candidate",
    "control",
    "reviews-step",
    "threads",
    "finetune-step",
    "finetune-small-step",
    "finetune-cached",
)
#: Asked for by name they end with this where the machine, or the harness, has no such thing.
ABSENT = {"warm": 3, "gvisor": 3, "gvisor-call": 3}

#: Scripts that are called by their own name: `make test-rest`, and those that take minutes in `make test-all`.
SCRIPTS = (
    "bench.phases",
    "bench.against --old . --times 1 check static leaderboard processor",
    # All of its parts: integration/test_gpu_script.py.
    "bench.gpu.run --small --out gpu.json worker",
)
LONG_SCRIPTS = ("bench.against --old . --times 1 --files 1 drain", "bench.many --files 2", "bench.digits --seeds 2")

#: What no test runs whole: why not, and the test that holds what lies beneath it.
NOT_RUN = {
    "trace": (
        "it traces the machine's own containerd, as root and with strace",
        "unit/test_bench_trace.py::test_calls_behind_the_filter_are_told_from_those_before_it",
    ),
    "gpu.smaller": (
        "it packs a hundred megabytes anew, from a package index",
        "unit/test_bench_gpu.py::test_wheels_lose_what_is_not_used_and_nothing_else",
    ),
    "emulated": (
        "it needs qemu-user, and takes a quarter of an hour",
        "unit/test_pins.py::test_pinned_numbers_are_these_on_every_processor_and_others_are_not",
    ),
}
