"""Two threads wait for each other, and the caller for both."""

import threading
import time

import torch.nn.functional as F

FIRST, SECOND = threading.Lock(), threading.Lock()


def hold(mine, other):
    with mine:
        time.sleep(0.1)
        with other:
            pass


def loss(policy_chosen_logps, policy_rejected_logps, reference_chosen_logps, reference_rejected_logps, beta):
    rho = (policy_chosen_logps - policy_rejected_logps) - (reference_chosen_logps - reference_rejected_logps)
    threads = [threading.Thread(target=hold, args=pair) for pair in ((FIRST, SECOND), (SECOND, FIRST))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return -F.logsigmoid(beta * rho)
