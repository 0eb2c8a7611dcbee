import torch


def my_loss(outputs, labels):
    highest = outputs.amax(dim=1, keepdim=True)
    log_total = (outputs - highest).exp().sum(dim=1).log() + highest[:, 0]
    right = outputs[torch.arange(len(labels), device=labels.device), labels]
    return (log_total - right).mean()
