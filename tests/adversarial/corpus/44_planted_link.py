"""Plants links where somebody with more rights may later write: in its folder, and over its own files."""

import os

import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")


tried("symbolic", lambda: os.symlink("/etc/passwd", "/tmp/plot.png"))
tried("hard", lambda: os.link("/proc/self/exe", "/tmp/python"))
with open("/tmp/a", "w") as file:
    file.write("x")
tried("renamed", lambda: os.rename("/tmp/a", "/tmp/b"))
tried("named pipe", lambda: os.mkfifo("/tmp/report.json"))
tried("folder", lambda: os.mkdir("/tmp/plots"))
tried("over a file", lambda: os.symlink("/tmp/a", "/opt/harness/sandbox/link"))
for name in os.listdir("/tmp"):
    tried("taken away", lambda name=name: os.unlink(f"/tmp/{name}"))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
