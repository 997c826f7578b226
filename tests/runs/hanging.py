"""A train function that never ends on the second site; the hyperparameter `fault` says how."""

import ctypes
import os
import signal
import threading
import time


def in_c():
    """Waits for itself in a call that holds Python's lock."""
    lock = ctypes.create_string_buffer(128)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(lock)


def stopped():
    """Is paused as by a debugger."""
    os.kill(os.getpid(), signal.SIGSTOP)


def waiting():
    """Waits for something that does not come, and goes on without it at last."""
    threading.Event().wait(20)


def computing():
    """Computes for ever."""
    while True:
        pass


def deaf():
    """Hears of no stop."""
    time.sleep(600)


FAULTS = {"in_c": in_c, "stopped": stopped, "waiting": waiting, "computing": computing, "deaf": deaf}


def fl_train(model, env, out_dir, logger=None):
    """Adds one to every weight."""
    time.sleep(0.3)
    if env["SITE_NAME"] == "site-2" and env["CURRENT_ROUND"] == 1:
        logger("here it comes")
        FAULTS[env["fault"]]()
    return {"weights": {name: value + 1 for name, value in model.state_dict().items()}, "samples": 1}
