"""Models and train functions that the runs of these tests ship; each is taken from this file by its name."""

import torch
from torch import nn


class SmallNet(nn.Module):
    """Classifies images of any size by their colours; quick to train."""

    def __init__(self, num_classes: int):
        super().__init__()
        torch.manual_seed(7)
        pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), pooled, nn.Linear(8, num_classes))

    def forward(self, images):
        return self.layers(images)


class Line(nn.Module):
    """A model of two numbers."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))


def fl_train(model, env, out_dir, logger=None):
    """Adds the site's number to every weight, and counts as many samples."""
    number = int(env["SITE_NAME"].rpartition("-")[2])
    logger.info("adding %d", number)
    return {"weights": {name: value + number for name, value in model.state_dict().items()}, "samples": number, "number": number}


def fl_validate(model, env, out_dir, logger=None):
    """Reports the first weight as it came in."""
    return {"first": model.weight[0].item()}
