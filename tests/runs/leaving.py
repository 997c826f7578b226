"""A train function that leaves a process behind on every site."""

import subprocess


def fl_train(model, env, out_dir, logger=None):
    """Starts what nobody waits for."""
    subprocess.Popen(["sleep", "2997"], start_new_session=True)
    return {"weights": {name: value + 1 for name, value in model.state_dict().items()}, "samples": 1}
