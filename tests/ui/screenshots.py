"""Writes pictures of the live view in JupyterLab, light and dark, under way and finished, or of a capture's cards.

    python -m tests.ui.screenshots FOLDER                       made-up runs
    python -m tests.ui.screenshots FOLDER --notebook FILE       the run that the cells of this notebook start
    python -m tests.ui.screenshots FOLDER --cards               a capture, a refusal, a rehearsal and its failure

A notebook must show its run in its last cell and need no more input. The picture of the run under way is taken when the first
round is done.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import Browser

from .lab import Lab, Notebook, running_browser, running_lab, use_theme
from .made_up_run import UNLUCKY_CELL

# Under way, with enough rounds done that there are lines to see.
UNDER_WAY = r"Round ([4-9]|\d\d+) of"
# What the last cell shows, by the pictures' name, and what the view says when the picture under way is taken.
MADE_UP = {
    "digits": ("Watched(MadeUpRun(rounds=8), interval=0.15)", UNDER_WAY),
    "one-site": ("Watched(MadeUpRun(rounds=1, sites=('site-1',)), interval=1)", "1 of 1 rounds done"),
    "many-sites": ("Watched(MadeUpRun(rounds=8, sites=[f'hospital-{n}' for n in range(50)]), interval=0.02)", UNDER_WAY),
    "long-run": ("Watched(MadeUpRun(rounds=1_000), interval=0.004)", r"Round [5-9]\d\d of"),
    "federated": ("Watched(FederatedRun(rounds=8), interval=0.2)", UNDER_WAY),
    "mismatched": ("Watched(FederatedRun(rounds=8, has=MISMATCHED), interval=0.2)", UNDER_WAY),
    "unlucky": ("Watched(UnluckyRun(rounds=8), interval=0.15)", r"forced in 5\d s"),
}
RUN_ENDS_WITHIN_MS = 300_000
TO_THE_TOP = "node => node.closest('.jp-OutputArea').scrollIntoView()"


CARDS = (
    "%load_ext reson_jupyter",
    "import torch.nn as nn\nWIDTH = 4 * 16",
    "def block(i, o):\n    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))",
    "%%reson_model\nclass Net(nn.Module):\n    def __init__(self, num_classes):\n        super().__init__()\n"
    "        self.features = nn.Sequential(block(3, 32), block(32, WIDTH))\n"
    "        self.head = nn.Linear(WIDTH, num_classes)\n\n    def forward(self, x):\n"
    "        return self.head(self.features(x).mean(dim=(2, 3)))\n\nprint(Net(10))",
    "%reson config img_size=32 num_classes=10 batch_size=8\n%reson check",
    "%%reson_model\nclass Broken(Net):\n    def forward(self, x):\n        features = self.features(x)\n"
    "        return self.head(features.numpy().mean(axis=(2, 3)))",
    "%reson check",
    "%%reson_model\nclass Missing(nn.Module):\n    def forward(self, x):\n        return F.relu(x)",
)


def card_pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab, running_browser() as browser:
        for theme in ("Light", "Dark"):
            use_theme(Path(scratch), f"JupyterLab {theme}")
            context = browser.new_context(viewport={"width": 1100, "height": 2100}, device_scale_factor=1.5)
            book = lab.open(context.new_page(), lab.notebook(f"cards-{theme.lower()}", *CARDS))
            book.command("application:toggle-left-area")
            for index in range(len(CARDS)):
                book.start(index)
                book.page.wait_for_timeout(500)
                book.wait_until_idle()
            _save(book, folder / f"cards-{theme.lower()}.png", to_the_last=False)
            context.close()


def pictures(cells: tuple[str, ...], folder: Path, name: str, under_way: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab, running_browser() as browser:
        for theme in ("Light", "Dark"):
            use_theme(Path(scratch), f"JupyterLab {theme}")
            _pictures_of_one_run(lab, browser, cells, folder, f"{name}-{theme.lower()}", under_way)


def _pictures_of_one_run(lab: Lab, browser: Browser, cells: tuple[str, ...], folder: Path, name: str, under_way: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 1090}, device_scale_factor=1.5)
    try:
        book = lab.open(context.new_page(), lab.notebook(name, *cells))
        book.command("application:toggle-left-area")
        for index in range(len(cells)):
            book.start(index)
        book.view.wait_for(timeout=RUN_ENDS_WITHIN_MS)
        book.view.get_by_text(re.compile(under_way)).wait_for(timeout=RUN_ENDS_WITHIN_MS)
        book.view.evaluate(TO_THE_TOP)
        _save(book, folder / f"{name}-running.png")
        # As wide as JupyterLab's sidebar is at first.
        book.view.evaluate("view => view.style.width = '250px'")
        _save(book, folder / f"{name}-narrow.png")
        book.view.evaluate("view => view.style.width = ''")
        book.view.wait_for(state="detached", timeout=RUN_ENDS_WITHIN_MS)
        picture = book.page.get_by_alt_text("over the rounds").first
        picture.wait_for()
        picture.evaluate(TO_THE_TOP)
        _save(book, folder / f"{name}-finished.png")
    finally:
        context.close()


def _save(book: Notebook, file: Path, to_the_last: bool = True) -> None:
    # The cell itself at the top, its output below.
    if to_the_last:
        book.page.locator(".jp-Cell .jp-Cell-inputWrapper").last.evaluate("input => input.scrollIntoView({block: 'start'})")
    book.page.mouse.move(0, 0)
    book.page.screenshot(path=file)
    print(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--notebook", type=Path)
    parser.add_argument("--cards", action="store_true")
    arguments = parser.parse_args()
    if arguments.cards:
        card_pictures(arguments.folder)
        return
    if arguments.notebook:
        book = nbformat.read(arguments.notebook, as_version=4)
        cells = tuple(cell.source for cell in book.cells if cell.cell_type == "code")
        pictures(cells, arguments.folder, arguments.notebook.stem, UNDER_WAY)
        return
    for name, (watched, under_way) in MADE_UP.items():
        pictures(("from made_up_run import *", UNLUCKY_CELL, f"watched = {watched}"), arguments.folder, name, under_way)


if __name__ == "__main__":
    main()
