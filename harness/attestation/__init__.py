"""Signed records: in-toto statements in DSSE envelopes, whose keys are trusted, and whether a record holds."""
