"""A decorator turns the plain function that was read into a coroutine."""

import torch.nn.functional as F


def _wrapped(function):
    async def outer(*args):
        return function(*args)

    return outer


@_wrapped
def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
