"""Iterative preference optimization: each round the policy of the round before answers, and learns from its answers.

The loop of AIPO (arXiv 2409.08845) on the embedded source of `harness.trainer.reviews`: instructions are made, each is
answered several times, a ranker orders the answers, near-ties are dropped, the loss trains, and the policy becomes the
reference of the next round. The ranker has a known taste for length, as reward models have, so that what a loss makes
of that taste can be measured.
"""
