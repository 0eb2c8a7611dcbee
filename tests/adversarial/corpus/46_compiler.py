"""Compiles an extension, starts a shell, installs a package, with whatever of these is there."""

import shutil
import subprocess
import sys

import torch.nn.functional as F


def tried(name, attempt):
    try:
        got = attempt()
    except BaseException as error:
        print(f"{name}: {type(error).__name__} {getattr(error, 'errno', None) or ''}".rstrip())
    else:
        print(f"{name}: DONE {got!r:.40}")


TOOLS = "gcc cc g++ clang ld as tcc nvcc ninja make sh bash dash busybox perl pip pip3 apt dpkg curl wget gdb"
print("tools:", [tool for tool in TOOLS.split() if shutil.which(tool)])


def inline():
    from torch.utils.cpp_extension import load_inline

    return load_inline("note", "int note() { return 1; }", functions=["note"], build_directory="/tmp")


tried("inline", inline)
tried("shell", lambda: subprocess.run("id", shell=True, check=True))
tried("install", lambda: subprocess.run([sys.executable, "-m", "pip", "--version"], check=True, stderr=subprocess.DEVNULL))


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    return -F.logsigmoid(beta * rho)
