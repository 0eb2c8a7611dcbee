"""Sets the seed, the number of threads, determinism and denormal numbers."""

import torch
import torch.nn.functional as F

print("starts with:", torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), float(torch.tensor(1e-40)) > 0)
torch.manual_seed(1)
torch.set_num_threads(7)
torch._C._set_deterministic_algorithms(True, warn_only=False)
print("flushed:", torch.set_flush_denormal(True), torch.get_num_threads())


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
