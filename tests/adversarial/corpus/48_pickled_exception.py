"""Raises an exception that carries a command for whoever would unpickle it."""

import os

import torch.nn.functional as F


class Bomb(Exception):
    def __reduce__(self):
        return os.system, ("touch @CANARY@",)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    raise Bomb("cos\nposix\nsystem\n(S'touch @CANARY@'\ntR.")
