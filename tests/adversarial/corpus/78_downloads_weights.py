"""Fetches the weights of a model that has been trained already."""

import urllib.request

import torch
import torch.nn.functional as F
import torch.hub


def tried(name, attempt):
    try:
        print(f"{name}: DONE {attempt()!r:.40}")
    except BaseException as error:
        print(f"{name}: {type(error).__name__}")


tried("hub", lambda: torch.hub.load_state_dict_from_url("https://download.pytorch.org/models/resnet18-f37072fd.pth"))
tried("url", lambda: urllib.request.urlopen("http://example.org/model.safetensors", timeout=2).read(1))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
