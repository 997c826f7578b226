"""A train function that goes on only as far as it is told to, and functions that tell and ask it."""

import logging
import threading
import time

import torch
from torch import nn

ALLOWED = {"rounds": 0}
WOKEN = threading.Event()


class Counter(nn.Module):
    """Counts the rounds."""

    def __init__(self):
        super().__init__()
        self.rounds = nn.Parameter(torch.zeros(1))


def fl_train(model, env, out_dir, logger=None):
    """Waits for its round to be allowed; what it reports gets worse after the second round."""
    number = env["CURRENT_ROUND"]
    print(f"{env['SITE_NAME']} holds round {number}")
    while number >= ALLOWED["rounds"]:
        time.sleep(0.05)
        logger.check_task_abort()
    return {"weights": {"rounds": model.rounds + 1}, "samples": 1, "loss": abs(number - 1) + 0.5}


def fl_validate(model, env, out_dir, logger=None):
    """How many rounds the model that came in has seen; the second is the best."""
    return {"score": 1.0 - abs(model.rounds.item() - 2) / 10}


def go_on(params):
    """Allows so many rounds."""
    ALLOWED["rounds"] = params["rounds"]
    return ALLOWED["rounds"]


def who(params, env, logger):
    """Says where it runs, and what it was given."""
    logger.info("asked who")
    return {"site": env["SITE_NAME"], "round": env["CURRENT_ROUND"], "given": params}


def fail(params):
    """Raises."""
    raise ValueError("not today")


def murmur(params):
    """Logs what is only heard at the level debug."""
    logging.getLogger("mine").debug("a murmur: %s", params["text"])


def nap(params):
    """Takes its time, until somebody wakes it."""
    WOKEN.wait(60)
    return "awake"


def wake(params):
    """Ends every nap."""
    WOKEN.set()


def thing(params):
    """Returns what cannot be sent."""
    return object()
