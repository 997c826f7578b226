"""Functions that train well, and of which the second site's never ends once the model is final."""

import ctypes


def fl_train(model, env, out_dir, logger=None):
    """Adds one to every weight."""
    return {"weights": {name: value + 1 for name, value in model.state_dict().items()}, "samples": 1}


def fl_validate(model, env, out_dir, logger=None):
    """Reports the first weight as it came in."""
    if env["SITE_NAME"] == "site-2" and env["CURRENT_ROUND"] == env["NUM_ROUNDS"]:
        lock = ctypes.create_string_buffer(128)
        for _ in range(2):
            ctypes.PyDLL(None).pthread_mutex_lock(lock)
    return {"first": model.weight[0].item()}
