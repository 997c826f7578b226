"""What strangers call things does nothing in the sections of the sidebar: a kernel that has real things of such names."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from reson_jupyter.config.written import text_of
from reson_jupyter.data.balance import titled
from reson_jupyter.names import printable
from reson_jupyter.notebook.sidebar.jsonable import shown
from tests.hostile import HOSTILE

from .lab import Lab
from .sidebar import field, loaded, sidebar_of
from .test_hostile import TYPESET, Watch

pytestmark = pytest.mark.ui

# The names as files, and what Python makes of classes, can have them.
FILES = tuple(name.replace("/", "_").replace("\0", "_") for name in HOSTILE)
ALL = " ".join(FILES)
NAMES = f"os.environ['RESON_HOME'] = 'hostile-home'\nnames, files = {HOSTILE!r}, {FILES!r}"
RUNS = """import time
from reson_jupyter.backend.history import history
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.events import RunState
progress = RunProgress()
progress.state = RunState.FAILED
for place, name in enumerate(names):
    progress.reason = f"It says {name}"
    created = time.time() - place
    history.add(RunRecord(id=f"run-{place}", name=name, target=name, store="file:///nowhere", created=created), progress)
"""
SHARDS = """import io, json, zipfile
from pathlib import Path
from PIL import Image
image = io.BytesIO()
Image.new("RGB", (12, 12)).save(image, "PNG")

def shard(file, classes):
    lines = [{"id": f"{file}{y}", "uri": "file://1.png", "y": [y], "meta": {"class": name}} for y, name in classes.items()]
    file.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.png", image.getvalue())
        archive.writestr("manifest.ndjson", "\\n".join(map(json.dumps, lines)))

folder = Path(f"shards {files[0]}")
for label, file in enumerate(files):
    shard(folder / f"{file}.zip", {label: names[label]})
"""
MODEL = """%%reson_model
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        raise ValueError(' '.join(names))"""
LIVE = "live = type(' '.join(files), (), {})()"
TRAIN = "%%reson_train\ndef fl_train(model, env, out_dir, logger):\n    return {'weights': live, 'samples': 1}"
CONFIG = """own = {"constructor": "<b>", **{f"own_{place}": name for place, name in enumerate(names)}}
reson.session().configure(name=names[0], s3_bucket=names[1], shards_dir=str(folder), **own)"""
CONTRADICTION = """[file.unlink() for file in folder.iterdir()]
shard(folder / f"{files[-2]}.zip", {0: names[1], 1: names[2]})
shard(folder / "other.zip", {0: names[0]})"""
PROJECT = """from reson_jupyter import edge
project = Path(files[0], files[1])
project.mkdir(parents=True)
commands = {name: {"command": f"echo {' '.join(files[:15])}"} for name in ("train", "validate")}
(project / "scaleout.yaml").write_text(json.dumps({"entry_points": commands}))
p = edge.load_project(project)
reson.session().configure(shards_dir=names[8])"""
# The sidebar has nothing of all this by itself.
ALIVE = "img, script, style, link, iframe, object, embed, math, base, form, meta, a, [srcdoc], [href], [autofocus]"
HANDLERS = (
    "node => [...node.querySelectorAll('*')].filter(part => part.getAttributeNames().some(name => name.startsWith('on'))).length"
)


def section(page: Page, name: str) -> Locator:
    return sidebar_of(page).get_by_role("region", name=name)


def expect_nothing_but_text(page: Page, watch: Watch) -> None:
    watch.nothing_happened(page)
    sidebar = sidebar_of(page)
    assert (sidebar.locator(ALIVE).count(), sidebar.locator(TYPESET).count(), sidebar.evaluate(HANDLERS)) == (0, 0, 0)


def expect_to_contain(part: Locator, *texts: str) -> None:
    for text in texts:
        expect(part).to_contain_text(shown(text))


def test_names_do_nothing_in_the_sections_of_the_sidebar(lab: Lab, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 5000})
    watch = Watch(page, lab.url)
    cells = (f"import reson_jupyter as reson\n{NAMES}\n{RUNS}{SHARDS}", MODEL, LIVE, CONFIG, TRAIN, CONTRADICTION, PROJECT)
    book = loaded(lab, page, "hostile_sections", *cells)
    for cell in range(1, 6):
        book.start(cell)
    sidebar = sidebar_of(page)
    expect(field(page, "name")).to_have_value(HOSTILE[0])
    closed = sidebar.locator("h3 [aria-expanded=false]")
    while closed.count():
        closed.first.click()
    expect_to_contain(section(page, "Captured"), f"it is a live object ({ALL})")

    sidebar.get_by_role("button", name="Check shards").click()
    sidebar.get_by_role("button", name=f"Show all {len(FILES)} sites").click()
    classes = [titled(label, dict(enumerate(HOSTILE))) for label in range(len(HOSTILE))]
    expect(section(page, "Data").get_by_role("columnheader")).to_have_text(["Site", *classes, "All"])
    expect_to_contain(section(page, "Data").get_by_role("img"), *(f"{printable(file)}.zip" for file in FILES))
    expect_to_contain(section(page, "Data"), *(f"has only label {name}" for name in classes))

    for place, name in enumerate(HOSTILE):
        expect(section(page, "Training").get_by_label(f"Value of own_{place}", exact=True)).to_have_value(text_of(name))
    expect(section(page, "Training").get_by_label("Value of constructor")).to_have_value("<b>")
    expect(field(page, "s3_bucket")).to_have_value(HOSTILE[1])
    section(page, "Model").get_by_role("button", name="Add").click()
    page.keyboard.type(HOSTILE[0])
    page.keyboard.press("Tab")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(section(page, "Model").get_by_role("alert").filter(has_text="use letters, digits and _")).to_be_visible()
    page.keyboard.press("Escape")

    sidebar.get_by_role("button", name="Look for runs again").click()
    sidebar.get_by_role("button", name=f"Show all {len(HOSTILE)} runs").click()
    rows = section(page, "Run").get_by_role("list", name="Runs").get_by_role("listitem")
    expect(rows).to_have_count(len(HOSTILE))
    for place, name in enumerate(HOSTILE):
        expect(rows.nth(place).get_by_title(f"Show the live view of run-{place}")).to_have_text(shown(name))
        expect_to_contain(rows.nth(place), f"{name} · ", f"It says {name}")
    expect_nothing_but_text(page, watch)

    sidebar.get_by_role("button", name="Check", exact=True).click()
    expect(sidebar.get_by_role("group", name="Run").get_by_role("alert")).to_contain_text(HOSTILE[0])
    expect_nothing_but_text(page, watch)

    book.start(6)
    expect(sidebar.get_by_text("The folder has changed since")).to_be_visible()
    sidebar.get_by_role("button", name="Check shards").click()
    contradiction = f"is the class {HOSTILE[1]!r} in {FILES[-2]}.zip, but {HOSTILE[0]!r} in other.zip"
    expect_to_contain(section(page, "Data"), contradiction)

    book.start(7)
    expect_to_contain(section(page, "Captured"), FILES[1], f"train: echo {' '.join(FILES[:15])}")
    expect_to_contain(sidebar.get_by_role("group", name="Run"), f"There is no folder {HOSTILE[8]!r}")
    sidebar.get_by_role("button", name="Check shards").click()
    expect(section(page, "Data").get_by_role("alert").filter(has_text=HOSTILE[8])).to_be_visible()
    expect_nothing_but_text(page, watch)

    sidebar.get_by_role("button", name="Details").click()
    document = page.locator(".jp-Reson-document")
    expect(document).to_contain_text(HOSTILE[0])
    assert document.locator("img, script, iframe, svg, a, form").count() == 0
    watch.nothing_happened(page)
