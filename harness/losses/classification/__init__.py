"""Known losses for classification, each written as a candidate. As in `harness.losses`, nothing here is imported."""
