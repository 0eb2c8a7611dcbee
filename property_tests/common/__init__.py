"""What properties of every contract hold a candidate to; a contract's own folder says over which batches.

All of it takes the candidate (`harness.subject.subject.Subject`), the rule that is broken where it fails, and batches
of any contract. Each raises CandidateFault, and what asking raises.
"""
