"""A train function whose second and third site die, one in the first round, one in the second."""

import os


def fl_train(model, env, out_dir, logger=None):
    """Ends the process of a site without a word."""
    if (env["SITE_NAME"], env["CURRENT_ROUND"]) in (("site-2", 0), ("site-3", 1)):
        os._exit(1)
    return {"weights": {name: value + 1 for name, value in model.state_dict().items()}, "samples": 1}
