"""The code that the runs of the fault table ship: a train function that goes wrong on one site in one round, as it is told."""

import ctypes
import os
import resource
import signal
import threading
import time

import torch
from torch import nn


class Line(nn.Module):
    """A model of two numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))


def fl_train(model, env, out_dir, logger=None):
    """Adds one to every weight; on the second site, in the round that `env` names, it goes wrong."""
    logger.log_metric({"number": 1.0})
    time.sleep(env.get("pace", 0.3))
    weights = {name: value + 1 for name, value in model.state_dict().items()}
    concerned = env["SITE_NAME"] == "site-2" or env["fault"] == "logs a flood"
    if concerned and env["CURRENT_ROUND"] == env["at_round"]:
        logger.log_metric({"before": 1.0})
        logger.log_attributes({"struck": time.time()})
        time.sleep(0.5)
        weights = go_wrong(env["fault"], weights, out_dir, logger)
    return {"weights": weights, "samples": 1}


def go_wrong(fault, weights, out_dir, logger):
    """Does what the fault's name says, and returns what is left to return."""
    if fault == "raises":
        raise ValueError("bad luck")
    if fault == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hangs in C":
        library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(64)  # PyDLL: the call keeps the interpreter's lock
        library.pthread_mutex_lock(mutex)
        library.pthread_mutex_lock(mutex)
    if fault == "is stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if fault == "computes for ever":
        while True:
            pass
    if fault == "hears of no stop":
        threading.Event().wait(600)
    if fault == "stands still for a while":
        threading.Event().wait(16)
    if fault == "diverges":
        return {name: value * float("nan") for name, value in weights.items()}
    if fault == "returns other shapes":
        return {name: torch.zeros(3) for name in weights}
    if fault == "runs out of memory":
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, -1))
        torch.zeros(8 << 30, dtype=torch.uint8)
    if fault == "fills the disk":
        with open(os.path.join(out_dir, "big"), "wb") as file:
            while True:
                file.write(bytes(1 << 20))
    if fault == "logs a flood":
        for step in range(2000):
            logger.log_metric({"flood": step / 2000}, step=step)
    if fault == "waits to be stopped":
        for _ in range(600):
            time.sleep(0.1)
            logger.check_task_abort()
    return weights
