"""A train function with a slip in it."""


def fl_train(model, env, out_dir, logger=None):
    """Fails in its first round."""
    return {"weights": model.state_dct(), "samples": 1}
