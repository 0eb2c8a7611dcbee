"""From a bare machine to a working checkout, with the standard library alone: `python3 -m harness.setup`."""
