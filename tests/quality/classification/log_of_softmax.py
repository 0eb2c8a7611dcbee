import torch


def loss(logits, targets):
    p = torch.softmax(logits, dim=1)
    return -torch.log(p.gather(1, targets[:, None])[:, 0])
