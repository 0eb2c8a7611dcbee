"""A candidate that is loaded: what can be asked of it, and what its answers say about it."""
