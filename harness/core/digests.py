"""Digests of JSON documents. They are kept in ledgers, journals and beside data: no value may ever change."""

from __future__ import annotations

import hashlib
import json


def json_digest(what: object, *, compact: bool = False) -> str:
    """SHA-256 (hex) of plain values by their JSON, keys sorted, in ASCII; `compact` has no blanks between them.

    Raises TypeError for what JSON has no form of.
    """
    separators = (",", ":") if compact else None
    return hashlib.sha256(json.dumps(what, sort_keys=True, separators=separators).encode()).hexdigest()
