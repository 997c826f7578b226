"""Writes pictures of the sidebar in JupyterLab, light and dark: with a run under way, a preview beside it, and two runs compared.

    python -m tests.ui.sidebar_pictures FOLDER

The run is real: the digits on three sites of this machine.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from .lab import Lab, running_browser, running_lab, use_theme

LOAD = """%load_ext reson_jupyter
import reson_jupyter as reson"""
DATA = """import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

digits = load_digits()
pixels = (digits.images * (255 / 16)).round().astype(np.uint8)
images = [(Image.fromarray(image), int(digit)) for image, digit in zip(pixels, digits.target)]
reson.make_shards(images, "shards", sites=3, partition="label", alpha=1, test=1 / 6, seed=1);"""
MODEL = """%%reson_model
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classify = nn.Sequential(nn.Flatten(), nn.Linear(32 * 4 * 4, num_classes))

    def forward(self, images):
        return self.classify(self.features(images))"""
CONFIG = "%reson config name=digits shards_dir=shards img_size=16 learning_rate=0.003 num_rounds=12"
SUBMIT = "run = %reson submit"
COMPARE = "again = run.wait().rerun(learning_rate=0.0005).wait()\nreson.compare(run, again)"
UNDER_WAY = re.compile(r"Round ([5-9]|\d\d) of")
WITHIN_MS = 240_000


def pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab, running_browser() as browser:
        for theme in ("Light", "Dark"):
            use_theme(Path(scratch), f"JupyterLab {theme}")
            _pictures_in_one_theme(lab, browser, folder, theme.lower())


def _pictures_in_one_theme(lab: Lab, browser: Browser, folder: Path, theme: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, device_scale_factor=1.5)
    try:
        cells = (LOAD, DATA, CONFIG, MODEL, SUBMIT, COMPARE)
        book = lab.open(context.new_page(), lab.notebook(f"digits-{theme}", *cells))
        page = book.page
        page.set_default_timeout(WITHIN_MS)
        page.get_by_role("tab", name="Reson", exact=True).click()
        for index in range(len(cells) - 1):
            book.start(index)
        sidebar = page.get_by_role("region", name="Reson", exact=True)
        book.view.first.wait_for()
        sidebar.get_by_role("button", name="Check shards").click()
        sidebar.get_by_role("status").filter(has_text="3 shards").wait_for()
        book.view.first.get_by_text(UNDER_WAY).wait_for()
        _save(page, folder / f"sidebar-{theme}.png")
        sidebar.get_by_role("button", name="Preview", exact=True).click()
        page.get_by_text("model_def.py").first.wait_for()
        _save(page, folder / f"preview-{theme}.png")
        page.get_by_role("tab", name="digits:").get_by_title("Close").click()
        book.start(len(cells) - 1)
        compared = page.get_by_text("2 runs compared")
        compared.wait_for()
        page.set_viewport_size({"width": 1440, "height": 1400})  # all of it in one picture
        output = page.locator(".jp-OutputArea-output").filter(has=compared)
        output.scroll_into_view_if_needed()
        output.screenshot(path=folder / f"compare-{theme}.png")
    finally:
        context.close()


def _save(page: Page, file: Path) -> None:
    page.mouse.move(0, 0)
    page.screenshot(path=file)
    print(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    pictures(parser.parse_args().folder)


if __name__ == "__main__":
    main()
