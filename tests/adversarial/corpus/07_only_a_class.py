"""A class that answers to everything, and no function."""

import torch.nn.functional as F


class Loss:
    def __call__(self, policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
        rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
        return -F.logsigmoid(beta * rho)


loss = Loss()
