"""A preview in a notebook: what a page gets of it, what no page can be made to do with it, and what is cut."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.preview import PlannedFile, PlannedShard, Preview
from reson_jupyter.preview.changes import Changes, FileChange
from reson_jupyter.preview.since import Since
from tests.hostile import HOSTILE, Tags, harmless
from tests.notebook.typed import run
from tests.runs.models import Line, SmallNet, fl_train

RUN = RunRecord(id="digits-1", name="digits", target="local", store="file:///s", created=0)
STYLE = re.compile(r"<style>[^<]*</style>")


@cache
def built() -> reson.Job:
    return reson.build(SmallNet, training=reson.TrainingConfig(num_classes=3))


def made(**changes: object) -> Preview:
    job = built()
    files = tuple(PlannedFile(path, len(data), "ab" * 32, data.decode()) for path, data in job.files.items())
    preview = Preview(job, "local", "", "file:///s", files, (), (), (), (), Since(None, None, "Nothing to compare with."))
    return replace(preview, **changes)  # type: ignore[arg-type]


def drawn(preview: Preview) -> Tags:
    """The HTML without its one style sheet, in which nothing of the preview stands; it must be harmless."""
    html = preview._repr_html_()
    assert STYLE.findall(html) == STYLE.findall(made()._repr_html_()) and len(STYLE.findall(html)) == 1
    tags = harmless(STYLE.sub("", html))
    assert not [attributes for _, attributes in tags.tags if "id" in attributes]
    return tags


def test_a_file_is_a_closed_tree_item_with_size_digest_and_key() -> None:
    tags = drawn(made())
    details = [attributes for tag, attributes in tags.tags if tag == "details"]
    assert [("open" in attributes) for attributes in details].count(True) == 3, "the folders are open, and no file is"
    assert "jobs/<run id>/configs/meta.json, SHA-256 " + "ab" * 32 in tags.text
    assert {attributes.get("title") for tag, attributes in tags.tags if tag == "code"} == {"SHA-256 " + "ab" * 32, None}
    assert "scripts/ 3 files, " in tags.text, "a space, for pages that take the style away"


def test_the_users_code_is_shown_whole_and_this_packages_is_cut() -> None:
    preview = made()
    html, text = preview._repr_html_(), drawn(preview).text
    assert '<span class="nc">SmallNet</span>' in html
    assert "lines more, of this package: print(reson.preview(...).job.files['scripts/custom_persistor.py'].decode())" in text
    assert len(html) < 100_000, "every saved notebook would hold it"
    long = "".join(f"x{number} = {number}\n" for number in range(700))
    own = PlannedFile("scripts/mine.py", len(long), "ab" * 32, long)
    shown = drawn(replace(preview, files=(own,))).text
    assert "x499 = 499" in shown and "x500 = 500" not in shown and "... and 200 lines more: print(" in shown
    wide = PlannedFile("scripts/mine.py", 50_000, "ab" * 32, "y" * 50_000)
    assert "y" * 40_000 in (shown := drawn(replace(preview, files=(wide,))).text) and "y" * 40_001 not in shown
    assert "... and 10,000 characters more: print(" in shown


def test_weights_and_empty_files_are_named_and_not_shown() -> None:
    files = (PlannedFile("model/start.pt", 5_000_000, "ab" * 32, None), PlannedFile("requirements/requirements.txt", 0, "", ""))
    text = drawn(made(files=files)).text
    assert "weights, which are not shown" in text and "5.0 MB" in text and "empty" in text
    assert "another for each run" in text


def test_what_changed_is_open_and_each_diff_closed_with_signs_beside_its_colours() -> None:
    diff = ("--- scripts/model_def.py", "+++ scripts/model_def.py", "@@ -1,2 +1,2 @@", " same", "-before", "+after")
    files = (FileChange("scripts/model_def.py", "changed", diff), FileChange("scripts/old.py", "removed"))
    changes = Changes(("batch_size 32 -> 64",), files, ("site-1 is gone, which had data of its own",))
    preview = made(since=Since(RUN, changes, "Since the last submit of 'digits'"))
    tags = drawn(preview)
    assert "Since the last submit of 'digits': 1 value, 1 change of data, 2 files" in tags.text
    assert (
        "batch_size 32 -> 64" in tags.text
        and "~ scripts/model_def.py  +1 -1" in tags.text
        and "- scripts/old.py  removed" in tags.text
    )
    html = preview._repr_html_()
    assert re.search(r"<del [^>]*>-before</del>\n<ins [^>]*>\+after</ins>", html)
    assert "<code>model_def.py</code> <i>(changed)</i>" in html
    assert "nothing has changed." in drawn(made(since=Since(RUN, Changes(), "Since"))).text


def test_the_data_of_each_site_is_a_row_with_its_keys() -> None:
    shards = (
        PlannedShard("site-1", "a.zip", 1000, "1" * 64, (f"shards/sha256/{'1' * 64}.zip", "jobs/<run id>/shards/a.zip"), True),
        PlannedShard("site-2", "b.zip", 2000, "2" * 64, (f"shards/sha256/{'2' * 64}.zip",), False),
        PlannedShard("", "c.zip", 1, "3" * 64, (f"shards/sha256/{'3' * 64}.zip",), None),
        PlannedShard("clinic"),
    )
    preview = made(shards=shards)
    for text in (drawn(preview).text, repr(preview)):
        assert "in the store already" in text and "to be sent" in text and "unknown whether the store has it" in text
        assert "(has its data itself)" in text
    assert f"a.zip: shards/sha256/{'1' * 64}.zip, jobs/<run id>/shards/a.zip" in drawn(preview).text
    assert preview.title.endswith(", 3 shards 3.0 kB")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_or_text_is_text_wherever_it_stands(name: str) -> None:
    part = name.replace("/", "|")
    change = FileChange(f"scripts/{part}.py", "changed", ("---", "+++", f"@@ {name}", f"-{name}", f"+{name}", f" {name}"))
    preview = made(
        target=name,
        place=name,
        store=name,
        files=(PlannedFile(f"scripts/{part}/{part}.py", 3, "ab" * 32, f"'{name}'\n# {name}\n"),),
        shards=(PlannedShard(name, name, 1, "1" * 64, (f"jobs/<run id>/shards/{name}",), None),),
        obstacles=(name,),
        unseen=(name,),
        notes=(name,),
        since=Since(RUN, Changes((), (change,), ()), "Since"),
    )
    preview = replace(preview, job=replace(preview.job, name=name))
    shown = drawn(preview).text
    for text in (shown, repr(preview), preview.title):
        assert {char for char in text if not char.isprintable()} <= {"\n"}


def test_names_of_classes_jobs_and_shards_come_through_unharmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESON_HOME", str(tmp_path / "home"))
    (tmp_path / "shards").mkdir()
    for name in ("<img src=x onerror=alert(1)>.zip", "a\u2028b\x1b[31m.zip"):
        with zipfile.ZipFile(tmp_path / "shards" / name, "w") as archive:
            archive.writestr("x", "1")
    training = reson.TrainingConfig(note="</script><img src=x onerror=alert(1)>\x1b[31m")
    preview = reson.preview(
        Line, train=fl_train, name="<img src=x onerror=1>", shards_dir=tmp_path / "shards", training=training,
        requirements=["torch  # </pre><script>alert(1)</script>"],
    )  # fmt: skip
    text = drawn(preview).text
    assert "<img src=x onerror=1>: 7 files" in text and "# </pre><script>alert(1)</script>" in text
    assert "a\\u2028b\\x1b[31m.zip" in text


MODEL = """%%reson_model
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3)))
"""


def test_the_magic_shows_the_same_as_the_call_and_takes_the_flags_of_submit(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, MODEL)
    shown, _ = run(shell, f"%reson preview --name digits --rounds 9 --target local --store {(tmp_path / 'not-there').as_uri()}")
    preview = shown.result
    assert isinstance(preview, Preview)
    assert preview.store == (tmp_path / "not-there").as_uri() and preview.job.name == "digits"
    assert preview.job.config("config_fed_server.json")["workflows"][0]["args"]["num_rounds"] == 9
    assert preview.obstacles == ("no shards were named, and here every site's data is its shard",)


def test_a_build_says_how_to_run_it_and_refuses_a_folder_with_other_files(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, MODEL)
    _, said = run(shell, "%reson build --name digits --out 'my job'")
    assert f"wrote {tmp_path}/my job (6 files, " in said
    assert f"  RESON_DATA_ROOT=DATA RESONTECH_OUT_DIR=OUT nvflare simulator '{tmp_path}/my job' -w " in said
    assert "-n 1 -t 1" in said and "DATA/site-1" in said
    assert "my job-workspace" not in said, "the simulator trains nothing in a workspace whose path has a space"
    _, said = run(shell, "%reson build --name digits --out 'my job'")
    assert "replaced " in said, "its own files are"
    (tmp_path / "my job" / "app" / "custom" / "old.py").write_text("mine")
    _, said = run(shell, "%reson build --name digits --out 'my job'")
    assert said.startswith(f"JobError: {tmp_path}/my job has other files, app/custom/old.py") and "Traceback" not in said
    assert (tmp_path / "my job" / "app" / "custom" / "old.py").read_text() == "mine"
