"""Rung 4: fine-tunes a Hugging Face model on a preference set, through trl's trainer, with the candidate's loss.

Inputs of a job: `model`, a folder as `save_pretrained` leaves it, and `preferences`, a file or a folder of the hub's
formats. Nothing is fetched, and nothing is sent: `harness.trainer.__main__` tells the libraries so before they are
loaded.
"""
