"""`python -m harness` is the command `harness`."""

import os
import sys

if __name__ == "__main__":
    # `python -m` puts the caller's folder in front of all modules, and candidates lie there, under names such as
    # random.py: it goes before anything is imported but these two, which Python has loaded by itself.
    own = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - nothing more may be imported
    if not sys.flags.safe_path and os.path.realpath(sys.path[0]) != own:
        del sys.path[0]

    from harness.cli import main

    main()
