"""Writes pictures of the live view in JupyterLab, light and dark, under way and finished.

    python -m tests.ui.screenshots FOLDER                       a made-up run
    python -m tests.ui.screenshots FOLDER --notebook FILE       the run that the cells of this notebook start

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

MADE_UP = ("from made_up_run import *", "watched = Watched(MadeUpRun(rounds=8), interval=0.15)")
RUN_ENDS_WITHIN_MS = 300_000
TO_THE_TOP = "node => node.closest('.jp-OutputArea').scrollIntoView()"


def pictures(cells: tuple[str, ...], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_lab(Path(scratch)) as lab, running_browser() as browser:
        for theme in ("Light", "Dark"):
            use_theme(Path(scratch), f"JupyterLab {theme}")
            _pictures_of_one_run(lab, browser, cells, folder, theme.lower())


def _pictures_of_one_run(lab: Lab, browser: Browser, cells: tuple[str, ...], folder: Path, theme: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 1090}, device_scale_factor=1.5)
    try:
        book = lab.open(context.new_page(), lab.notebook(f"digits-{theme}", *cells))
        book.command("application:toggle-left-area")
        for index in range(len(cells)):
            book.start(index)
        book.view.wait_for(timeout=RUN_ENDS_WITHIN_MS)
        # Under way, with enough rounds done that there are lines to see.
        book.view.get_by_text(re.compile(r"Round ([4-9]|\d\d+) of")).wait_for(timeout=RUN_ENDS_WITHIN_MS)
        book.view.evaluate(TO_THE_TOP)
        _save(book, folder / f"running-{theme}.png")
        book.view.wait_for(state="detached", timeout=RUN_ENDS_WITHIN_MS)
        picture = book.page.get_by_alt_text("over the rounds").first
        picture.wait_for()
        picture.evaluate(TO_THE_TOP)
        _save(book, folder / f"finished-{theme}.png")
    finally:
        context.close()


def _save(book: Notebook, file: Path) -> None:
    # The cell itself at the top, its output below.
    book.page.locator(".jp-Cell .jp-Cell-inputWrapper").last.evaluate("input => input.scrollIntoView({block: 'start'})")
    book.page.mouse.move(0, 0)
    book.page.screenshot(path=file)
    print(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--notebook", type=Path)
    arguments = parser.parse_args()
    cells = MADE_UP
    if arguments.notebook:
        book = nbformat.read(arguments.notebook, as_version=4)
        cells = tuple(cell.source for cell in book.cells if cell.cell_type == "code")
    pictures(cells, arguments.folder)


if __name__ == "__main__":
    main()
