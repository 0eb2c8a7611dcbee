"""The supervised contract, `loss(logits, targets)`: what a candidate is asked, and what is told of an accepted one."""
