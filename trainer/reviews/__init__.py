"""Rung 3, controlled generation: a language model learns to write positive reviews from preference pairs.

The paper's sentiment task (arXiv 2406.08414, section on controlled generation) in two sizes. The embedded one needs
nothing from outside: reviews of a grammar, a small GPT-2, VADER as the judge. The other works on the user's files, such
as gpt2-imdb with the IMDb preference set and a classifier. Reward alone is fooled by a loss that leaves the language
behind, so divergence from the reference, grammar and length are measured with it.
"""
