def performance_adaptive_decay_logistic_loss(
    self,
    policy_chosen_logps: torch.FloatTensor,
    policy_rejected_logps: torch.FloatTensor,
    reference_chosen_logps: torch.FloatTensor,
    reference_rejected_logps: torch.FloatTensor,
) -> torch.FloatTensor:
    base_decay = 0.9
    mismatch_penalty = 0.5
    logits = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    # A finite jump at 0, as in the paper: reported, not rejected.
    mismatches = (logits < 0).float()
    decay = base_decay * (1 - mismatches * mismatch_penalty)
    return decay * -F.logsigmoid(self.beta * logits)
