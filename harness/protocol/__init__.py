"""What host and containers say to each other: batches, frames, the oracle's wire, a trainer's job and relay."""
