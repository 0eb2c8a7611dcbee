"""Known losses over lists of K answers, written as candidates. As in `harness.losses`, nothing here is imported."""
