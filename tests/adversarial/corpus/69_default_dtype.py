"""Makes float64 the default, and looks whether an earlier fork has."""

import torch
import torch.nn.functional as F

print("starts with:", torch.get_default_dtype(), torch.is_grad_enabled(), torch.initial_seed() == torch.default_generator.initial_seed())
torch.set_default_dtype(torch.float64)
print("goes on with:", torch.get_default_dtype())


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
