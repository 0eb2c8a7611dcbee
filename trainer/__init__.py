"""What trains and scores: the code that runs in the trainer's and the scorer's container, and never meets a candidate.

A task (`harness.trainer.tasks`) offers three steps. `prepare` makes its data once, `train` fits a policy with a loss
that answers through the oracle, `score` judges the weights. Nothing in here imports what
judges candidates or keeps books.
"""
