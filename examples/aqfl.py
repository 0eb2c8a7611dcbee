def adaptive_quantile_feedback_loss(
    self,
    policy_chosen_logps: torch.FloatTensor,
    policy_rejected_logps: torch.FloatTensor,
    reference_chosen_logps: torch.FloatTensor,
    reference_rejected_logps: torch.FloatTensor,
) -> torch.FloatTensor:
    # Needs batches of two pairs or more: the std of one pair is NaN.
    tau = 0.05
    quantile_update_rate = 0.05
    distance_scale = 0.1

    logits = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    logits = self.beta * logits
    scaled = logits / tau

    estimate = scaled.std() * torch.sigmoid(-scaled).mean()
    estimate = estimate + quantile_update_rate * (torch.sigmoid(scaled.mean()) - estimate)
    weight = torch.sigmoid(distance_scale * (scaled - estimate).abs())

    return weight * -F.logsigmoid(logits) + (1 - weight) * torch.relu(1 - logits)
