"""The judge: what another language model thinks of a trained model's answers, recorded and repeatable.

`judge` asks and records; `pairwise`, `length` and `mtbench` are what it is asked for. It is used by whoever has answers
to compare; nothing in here knows candidates, ladders or ledgers.
"""
