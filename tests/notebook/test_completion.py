"""Tab in the lines of magics: in a shell, and through the messages of a real kernel."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel

import reson_jupyter as reson
from reson_jupyter.backend.history import file, history
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.notebook.capturing.kernel import kernel_of
from reson_jupyter.notebook.commands import which_run
from reson_jupyter.notebook.commands.reson import reson_parser
from reson_jupyter.notebook.completion.line_place import offer
from reson_jupyter.notebook.completion.suggestions import suggested
from tests.notebook.typed import run
from tests.patience import cpu_seconds

VERBS = list(reson_parser().verbs)
OF_A_JOB = ["--name", "--shards", "--requirements", "--checkpoint", "--rounds"]
TARGETS = ["local", "flare", "reson"]


def completed(shell: InteractiveShell, line: str) -> tuple[str, list[str]]:
    assert shell.Completer
    with provisionalcompleter():
        found = list(shell.Completer.completions(line, len(line)))
    return line[found[0].start :] if found else "", [completion.text for completion in found]


@pytest.mark.parametrize(
    ("line", "begun", "found"),
    [
        ("%reson ", "", VERBS),
        ("%reson sub", "sub", ["submit"]),
        ("    %reson chec", "chec", ["check"]),
        ("run = %reson sub", "sub", ["submit"]),
        ("first, second = %reson co", "co", ["config", "compare"]),
        ("%reson build ", "", [*OF_A_JOB, "--out"]),
        ("%reson submit --no", "--no", ["--no-check"]),
        ("%reson submit --wait --rounds 3 --", "--", [
            "--help", "--name", "--shards", "--requirements", "--checkpoint", "--target", "--store", "--no-check",
        ]),
        ("%reson submit --target ", "", TARGETS),
        ("%reson submit --target f", "f", ["flare"]),
        ("%reson submit --target=f", "--target=f", ["--target=flare"]),
        ("%reson submit --name ", "", []),
        ("%reson config batch", "batch", ["batch_size="]),
        ("%reson config batch_size=4 local", "local", ["local_epochs="]),
        ("%reson config target=", "target=", [f"target={target}" for target in TARGETS]),
        ("%reson config augment=t", "augment=t", ["augment=true"]),
        ("%reson config platform_api", "platform_api", []),
        ("%reson config 'model_args={\"a", "", []),
        ("%reson rerun digits-1 na", "na", ["name="]),
        ("%reson rerun digits-1 shards", "shards", []),
        ("%reson forget ", "", ["model", "train", "executor", "persistor", "startup", "command", "project"]),
        ("%reson shards ", "", ["make", "check", "cache"]),
        ("%reson federation st", "st", ["start", "stop", "status"]),
        ("%reson help ", "", VERBS),
        ("%reson help shards ", "", ["make", "check", "cache"]),
        ("%reson help nonsense ", "", []),
        ("%reson nonsense ", "", []),
        ("%%reson_model --", "--", ["--help", "--fix", "--class"]),
        ("%%reson_train ", "", ["--fix"]),
    ],
)  # fmt: skip
def test_what_can_come_next(shell: InteractiveShell, line: str, begun: str, found: list[str]) -> None:
    if found:
        assert completed(shell, line) == (begun, found)
    else:  # IPython's own matchers answer then
        assert not {*completed(shell, line)[1]} & {*VERBS, "--name", "shards_dir=", "platform_api_key="}


def test_hyperparameters_of_the_users_own_are_fields_of_config(shell: InteractiveShell) -> None:
    run(shell, "%reson config dropout=0.5")
    assert completed(shell, "%reson config drop") == ("drop", ["dropout="])


def test_every_field_that_config_takes_is_completed_and_no_secret(shell: InteractiveShell) -> None:
    _, found = completed(shell, "%reson config ")
    fields = [text.removesuffix("=") for text in found if text.endswith("=")]
    session = reson.session()
    parts = (session.training, session.federation, session.model_config, session.submission, session.connection)
    known = [name for part in parts for name in type(part).model_fields]
    assert sorted([*fields, "password", "platform_api_key", "s3_secret_access_key"]) == sorted(known)


@pytest.mark.parametrize("verb", ["attach", "abort", "info", "logs", "delete", "rerun", "compare"])
def test_runs_are_completed_from_what_this_machine_remembers(shell: InteractiveShell, verb: str) -> None:
    assert not any(text.startswith("digits-") for text in completed(shell, f"%reson {verb} ")[1])
    records = [RunRecord.new("digits", "local", "file:///nowhere") for _ in range(2)]
    for record in records:
        history.add(record, RunProgress())
    ids = {record.id for record in records}
    _, found = completed(shell, f"%reson {verb} digits-")
    assert set(found) == ids
    _, rest = completed(shell, f"%reson compare {records[0].id} digits-")
    assert rest == [records[1].id]


def test_while_another_kernel_holds_the_history_nobody_waits_and_the_runs_of_this_kernel_are_offered(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.add(RunRecord.new("digits", "local", "file:///nowhere"), RunProgress())
    monkeypatch.setattr(which_run, "_seen", ["digits-1", "digits-2", "digits-1"])
    with closing(sqlite3.connect(file.path(), isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")  # which lets nobody read, either
        holder.execute("BEGIN EXCLUSIVE")
        waits: list[float] = []
        connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *args, **kw: (waits.append(kw["timeout"]), connect(*args, **kw))[1])
        assert completed(shell, "%reson attach digits-")[1] == ["digits-1", "digits-2"]
        assert max(waits) < 0.1, "seconds; who types waits for no more"


def test_names_of_commands_are_completed(shell: InteractiveShell) -> None:
    run(shell, "%%reson_command clear_cache\ndef clear_cache(params):\n    return 1\n")
    assert completed(shell, "%reson forget command c") == ("c", ["clear_cache"])
    assert "clear_cache" not in completed(shell, "%reson forget model c")[1]


def test_paths_are_ipythons_and_a_source_can_be_a_variable(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    reson.session().kernel = kernel_of(shell)
    run(shell, "photo_list = [1]")
    assert completed(shell, "%reson submit --shards ph") == ("ph", ["photos/"])
    assert set(completed(shell, "%reson shards make ph")[1]) == {"photo_list", "photos/"}
    (tmp_path / "photos" / "train").mkdir()
    assert completed(shell, "%reson submit --shards ./photos/t")[1] == ["./photos/train/"]


def test_other_lines_are_left_alone(shell: InteractiveShell) -> None:
    for line in ("%resonance ", "x = 'see %reson ", "# %reson ", "%%reson_nonsense --", "print"):
        assert not {*completed(shell, line)[1]} & {"config", "submit", "attach", "--fix"}


def test_a_history_that_cannot_be_read_is_no_error(shell: InteractiveShell, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "history.sqlite").mkdir()
    completed(shell, "%reson attach ")
    assert "Traceback" not in capsys.readouterr().err


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*VERBS, "--target", "--help", "make", "=", "target=f", "'", '"', "\\", "ID", "-", "é", "\u2028"]))
)
def test_no_line_raises(words: list[str]) -> None:
    line = " ".join(words)
    offered = offer(reson_parser(), line)
    assert all(text.startswith(offered.begun) for text in offered.texts)
    suggested("KEY=VALUE", words, words)


def test_an_answer_takes_no_time_with_a_thousand_runs(shell: InteractiveShell) -> None:
    runs = [history.RunSummary(f"digits-{number}", "digits", "local", "file:///x", float(number)) for number in range(1000)]
    history._write(runs, history._ADD)
    completed(shell, "%reson attach ")
    _, found = completed(shell, "%reson attach ")
    assert len([text for text in found if text.startswith("digits-")]) == 50
    assert cpu_seconds(lambda: completed(shell, "%reson attach ")) < 0.5


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESON_HOME", str(tmp_path_factory.mktemp("home")))
        manager, client = start_new_kernel()
    client.execute_interactive("%load_ext reson_jupyter", timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def asked(kernel: Any, code: str) -> dict[str, Any]:
    """The reply of the kernel to a page that asks with the cursor at the end."""
    identity = kernel.complete(code, len(code))
    while (reply := kernel.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != identity:
        pass
    content: dict[str, Any] = reply["content"]
    return content


@pytest.mark.parametrize("jedi", [True, False])
@pytest.mark.parametrize(
    ("code", "found", "start"),
    [
        ("import os\nrun = %reson sub", ["submit"], 23),
        ("for _ in range(2):\n    %reson config batch", ["batch_size="], 37),
        ("%reson submit --name x \\\n    --no", ["--no-check"], 29),
        ("%reson config target=f", ["target=flare"], 14),
        ("%%reson_model --cl", ["--class"], 14),
    ],
)
def test_a_real_kernel_completes_with_and_without_jedi(kernel: Any, jedi: bool, code: str, found: list[str], start: int) -> None:
    kernel.execute_interactive(f"%config Completer.use_jedi = {jedi}", timeout=60)
    reply = asked(kernel, code)
    assert (reply["matches"], reply["cursor_start"], reply["cursor_end"]) == (found, start, len(code))
