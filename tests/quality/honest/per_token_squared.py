"""IPO of drifts that were divided by the length twice: another scale, and right."""


def loss(
    policy_chosen_logps,
    policy_rejected_logps,
    reference_chosen_logps,
    reference_rejected_logps,
    beta,
    chosen_lengths,
    rejected_lengths,
):
    pc, pr, rc, rr = policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps
    chosen, rejected = (pc - rc) / chosen_lengths.square(), (pr - rr) / rejected_lengths.square()
    return (chosen - rejected - 0.5 / beta).square()
