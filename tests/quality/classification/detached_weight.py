import torch.nn.functional as F


def loss(logits, targets):
    logp = F.log_softmax(logits, dim=1).gather(1, targets[:, None])[:, 0]
    return -((1 - logp.detach().exp()) ** 2) * logp
