"""A run as one file that others can open, verify and repeat: a Workflow Run RO-Crate with signed records."""
