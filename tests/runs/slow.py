"""A train function that takes a minute, in steps that can be stopped."""

import time


def fl_train_model(payload, out_dir=None, logger=None):
    """Sleeps, asking now and then whether to go on."""
    logger.log_metric({"asleep": 1.0})
    for _ in range(600):
        time.sleep(0.1)
        logger.check_task_abort()
    return {"weights": payload["initial_weights"], "samples": 1}
