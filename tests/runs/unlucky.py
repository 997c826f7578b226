"""A train function that fails on one site."""


def fl_train(model, env, out_dir, logger=None):
    """Fails on the second site in the second round."""
    if env["SITE_NAME"] == "site-2" and env["CURRENT_ROUND"] == 1:
        raise ValueError("bad luck")
    return {"weights": {name: value + 1 for name, value in model.state_dict().items()}, "samples": 1}
