"""`%reson` as a user types it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import reson_jupyter as reson
from reson_jupyter.backend.event_log import EventLogWriter
from reson_jupyter.backend.history import history
from reson_jupyter.backend.progress import RunProgress
from reson_jupyter.backend.record import RunRecord
from reson_jupyter.backend.store import DirectoryStore
from reson_jupyter.notebook.commands.parser import Parser
from reson_jupyter.notebook.commands.reson import reson_parser
from reson_jupyter.notebook.sidebar.commands import Commands
from tests.backend.test_verdict import good_run
from tests.notebook.typed import MODEL, run
from tests.runs.conftest import write_image_shard


def test_config_sets_fields_of_every_config_and_hyperparameters_of_the_users_own(shell: InteractiveShell) -> None:
    run(shell, "%reson config batch_size=64 num_rounds=3 dropout=0.1 optimizer=adam layers=[1,2] 'model_args={\"a\": 1}'")
    session = reson.session()
    assert (session.training.batch_size, session.federation.num_rounds) == (64, 3)
    assert session.training.extra == {"dropout": 0.1, "optimizer": "adam", "layers": [1, 2]}
    assert session.model_config.model_args == {"a": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("batch_size=64", "batch_size = 64"),
        ("batch_size=64 num_rounds=3", "batch_size = 64, num_rounds = 3"),
        ("batch_size=None", "batch_size: put back"),
        ("dropout=0.1", "dropout = 0.1\ndropout: of your own, for your train function"),
        ("batch=3", "batch = 3\nbatch: of your own, for your train function; the field is batch_size"),
        ("size=3", "size = 3\nsize: of your own, for your train function; the field is batch_size or img_size"),
        ("store=s3://bucket/jobs", "store = s3://bucket/jobs"),
    ],
)
def test_config_says_what_was_set(shell: InteractiveShell, line: str, said: str) -> None:
    assert run(shell, f"%reson config {line}")[1] == f"{said}\n"


def test_config_without_arguments_shows_everything_but_the_secrets(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_PASSWORD", "canary-secret")
    _, text = run(shell, "%reson config")
    assert "batch_size = 32" in text and "num_rounds = 5" in text and "target = local" in text
    assert "canary" not in text


def test_config_is_shown_in_groups_and_of_a_secret_only_whether_it_is_set(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STORE", "TARGET", "API_KEY", "S3_KEY", "S3_SECRET", "S3_BUCKET", "BASE_URL"):
        monkeypatch.delenv(f"RESON_{name}", raising=False)
    monkeypatch.setenv("RESON_PASSWORD", "canary-secret")
    run(shell, "%reson config gpu_models=a100,h100 dropout=0.1")
    lines = run(shell, "%reson config")[1].splitlines()
    groups = [line for line in lines if not line.startswith(" ")]
    assert groups == ["training", "federation", "model", "run", "target & storage"]
    assert "  min_clients = (unset: every site)" in lines and "  dropout = 0.1" in lines
    places = lines[lines.index("target & storage") + 1 :]
    assert places[0] == "  target = local" and places[2] == "  stale_captures = recapture"
    assert places[1].startswith("  store = (unset: file:///") and "  gpu_models = a100, h100" in places
    assert any(line.startswith("  not set: allow_http, base_url, ") for line in places)
    assert places[-3:] == [
        "  password: set by RESON_PASSWORD",
        "  platform_api_key: not set (RESON_API_KEY)",
        "  s3_secret_access_key: not set (RESON_S3_SECRET)",
    ]
    assert "password =" not in "\n".join(lines)


def test_config_shows_what_it_can_when_the_environment_cannot_be_used(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_BASE_URL", "http://canary.example.org")
    result, text = run(shell, "%reson config")
    assert isinstance(result.error_in_exec, reson.ResonError)
    assert "batch_size = 32" in text and "use https" in text and "Traceback" not in text


def test_config_refuses_a_store_with_a_password_and_shows_the_rest(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESON_STORE", "s3://key:a/canary@bucket/jobs")
    result, text = run(shell, "%reson config min_clients=2\n%reson config")
    assert isinstance(result.error_in_exec, reson.ResonError)
    assert "RESON_S3_SECRET" in text and "min_clients = 2" in text and "canary" not in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%reson config batch_size=0", "greater than or equal to 1"),
        ("%reson config batchsize=8", "did you mean 'batch_size'"),
        ("%reson config batch_size 64", "not of the form KEY=VALUE"),
        ("%reson config s3_secret_access_key=canary", "RESON_S3_SECRET"),
        ("%reson config store=s3://key:a/canary@bucket", "RESON_S3_SECRET"),
        ("%reson config s3_endpoint=https://key:a/canary@s3.example.org", "RESON_S3_SECRET"),
        ("%reson submit --name x --store ftp://key:a/canary@bucket", "must be a plain URL"),
        ("%reson build --name x --out ~nobodyxx/x", "there is no model"),
        ("%reson submit --name x --shards nowhere", "there is no model"),
        ("%reson attach nobody", "this machine knows no run"),
        ("%reson abort nobody", "this machine knows no run"),
        ("%reson rerun nobody num_rounds=1", "this machine knows no run"),
        ("%reson delete nobody", "this machine knows no run"),
        ("%reson logs nobody", "this machine knows no run"),
        ("%reson info nobody", "this machine knows no run"),
        ("%reson shards check nowhere", "does not exist"),
        ("%reson submit", "the run has no name"),
    ],
)
def test_a_users_mistake_is_shown_without_a_traceback(shell: InteractiveShell, line: str, said: str) -> None:
    result, text = run(shell, line)
    assert isinstance(result.error_in_exec, reson.ResonError)
    assert said in text and "Traceback" not in text and "canary" not in text


@pytest.mark.parametrize(
    "line",
    ["%reson nonsense", "%reson build", "%reson delete", "%reson rerun", "%reson submit --rounds many", "%reson config 'open",
     "%reson attach", "%reson abort", "%reson compare", "%reson rerun num_rounds=2", "%reson shards check", "%reson help sumbit"],
)  # fmt: skip
def test_a_line_that_cannot_be_understood_is_a_usage_error(shell: InteractiveShell, line: str) -> None:
    result, text = run(shell, line)
    assert isinstance(result.error_in_exec, UsageError) and "Traceback" not in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%reson sumbit --name x", "there is no verb 'sumbit'; did you mean 'submit'?"),
        ("%reson xyz", "there is no verb 'xyz'; there are: config, panel, "),
        ("%reson shards mkae", "there is no action 'mkae'; did you mean 'make'?"),
        ("%reson forget modle", "there is no role 'modle'; did you mean 'model'?"),
        ("%reson shards make a --out b --partition lable", "there is no --partition 'lable'; did you mean 'label'?"),
        ("%reson submit --shrads x", "unrecognized arguments: --shrads x; did you mean '--shards'?"),
        ("%reson submit --name x learning_rate=0.01", "fields are set by %reson config learning_rate=0.01"),
        ("%reson check 'gpu_models=a b'", "fields are set by %reson config 'gpu_models=a b'"),
        ("%reson preview batch_size=2", "fields are set by %reson config batch_size=2"),
        ("%reson build --out x batch_size=2", "fields are set by %reson config batch_size=2"),
        ("%reson submit rounds=2", "did you mean --rounds 2?"),
        ("%reson project package out.tgz", "unrecognized arguments: out.tgz; did you mean --out out.tgz?"),
        ("%reson project package 'my client.tgz'", "did you mean --out 'my client.tgz'?"),
        ("%reson project package more.tgz --out out.tgz", "unrecognized arguments: more.tgz\n"),
        ("%reson build job", "the following arguments are required: --out"),
        ("%reson shards make photos shards", "the following arguments are required: --out"),
        ("%%reson_model --clas Net --fxi\nx = 1", "did you mean '--fix'?"),
    ],
)
def test_the_nearest_of_what_there_is_answers_a_slip(shell: InteractiveShell, line: str, said: str) -> None:
    result, text = run(shell, line)
    assert isinstance(result.error_in_exec, UsageError) and said in text


@pytest.mark.parametrize("line", ["%reson", "%reson help", "%reson --help", "%reson submit --help", "%reson shards -h"])
def test_help_is_printed_and_nothing_else_happens(shell: InteractiveShell, line: str) -> None:
    result, text = run(shell, line)
    assert result.success and result.result is None and "usage: %reson" in text


def test_the_overview_names_every_verb_by_subject_with_examples(shell: InteractiveShell) -> None:
    _, text = run(shell, "%reson help")
    subjects = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert subjects == ["configure:", "try and submit:", "runs:", "data and sites:", "Scaleout Edge:", "for example:"]
    for name, verb in reson_parser().verbs.items():
        assert name == "help" or (f"  {name} " in text and verb.about in text)
    assert "run = %reson submit --name digits --shards ./shards --rounds 5" in text
    assert max(map(len, text.splitlines())) <= 120


def all_parsers(parser: Parser) -> Iterator[Parser]:
    yield parser
    for verb in parser.verbs.values():
        yield from all_parsers(verb)


@pytest.mark.parametrize("parser", list(all_parsers(reson_parser())), ids=lambda parser: parser.prog)
def test_the_help_of_a_verb_tells_of_all_that_it_takes(shell: InteractiveShell, parser: Parser) -> None:
    help_text = parser.format_help()
    for action in parser.arguments:
        assert action.help and all(flag in help_text for flag in action.option_strings), action
    topic = parser.prog.removeprefix("%reson").strip()
    if topic:
        assert run(shell, f"%reson help {topic}")[1] == run(shell, f"{parser.prog} --help")[1] == help_text + "\n"


def shown_lines() -> list[str]:
    """Every %reson line of the README and of the examples in the help."""
    text = Path(reson.__file__).parents[1].joinpath("README.md").read_text()
    helps = "\n".join(parser.format_help() for parser in all_parsers(reson_parser()))
    lines = re.findall(r"%reson [a-z][^\n`#;]*", text + helps)
    return [line.partition("  ")[0].removesuffix(" \\").strip("(). ") for line in lines]


@pytest.mark.parametrize("line", sorted({*shown_lines()}))
def test_every_line_that_is_shown_somewhere_can_be_typed(line: str) -> None:
    verb, *words = line.removeprefix("%reson ").split()
    parser = reson_parser().verbs[verb.rstrip(",:")]
    while words and words[0] in parser.verbs:
        parser = parser.verbs[words.pop(0)]
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= parser.flags.keys()


# Of what a page can ask for: the line that does the same, and the Python that does.
TWINS = {
    "configure": ("%reson config batch_size=2", reson.Session.configure),
    "set_rows": ("%reson config dropout=0.1", reson.Session.configure_rows),
    "forget": ("%reson forget model", reson.Session.forget),
    "check": ("%reson check", reson.check),
    "preview": ("%reson preview", reson.preview),
    "check_shards": ("%reson shards check", reson.check_shards),
    "submit": ("%reson submit", reson.submit),
    "abort": ("%reson abort ID", reson.Run.abort),
    "runs": ("%reson runs", reson.runs),
    "compare": ("%reson compare ID ID", reson.compare),
}
# What keeps a page itself going, and what a cell has the kernel's interrupt for.
OF_THE_PAGE = {"here", "snapshot", "result", "stop"}


def test_all_that_a_page_can_ask_for_has_a_line_and_a_call() -> None:
    nothing: Any = None
    assert Commands(nothing, nothing, nothing, nothing, nothing)._ops.keys() == TWINS.keys() | OF_THE_PAGE
    for line, call in TWINS.values():
        assert callable(call) and callable(reson_parser().parse_line(line.removeprefix("%reson ")).carry_out)


def test_build_writes_the_folder_that_nvflare_takes(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    write_image_shard(tmp_path / "shards" / "a.zip", [0, 1, 2], seed=1)
    run(shell, MODEL)
    result, text = run(shell, "%reson build --shards shards --rounds 7 --out job")
    assert result.success and text.startswith(f"wrote {tmp_path / 'job'} (")
    server = json.loads((tmp_path / "job/app/config/config_fed_server.json").read_text())
    assert server["workflows"][0]["args"]["num_rounds"] == 7
    assert server["components"][0]["args"]["model"] == {"path": "model_def.Net", "args": {"num_classes": 3}}
    assert "class Net(nn.Linear)" in (tmp_path / "job/app/custom/model_def.py").read_text()
    assert "the job's requirements.txt is for whoever sets up a site" in text
    assert run(shell, "%reson build --shards shards --out job")[1].startswith(f"replaced {tmp_path / 'job'} (")


def test_runs_lists_what_this_machine_knows(shell: InteractiveShell, finished: RunRecord) -> None:
    result, text = run(shell, "%reson runs")
    assert [(summary.id, summary.state) for summary in result.result] == [(finished.id, reson.RunState.FINISHED)]
    assert finished.id in text and "2 of 2" in text


def test_logs_and_info_tell_of_a_run_without_a_view_of_it(
    shell: InteractiveShell, finished: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reson_jupyter.backend.observers._run_observers", [lambda _: pytest.fail("a view was shown")])
    _, text = run(shell, f"%reson logs {finished.id} site-1")
    assert text == "hello from site-1\n"
    _, text = run(shell, f"%reson logs {finished.id}")
    assert "hello from site-1" in text and "hello from the server" in text
    result, text = run(shell, f"%reson info {finished.id}")
    assert set(result.result) == {"site-1", "site-2"} and "site-2" in text


def test_logs_and_info_are_of_the_newest_run_where_none_is_named(
    shell: InteractiveShell, finished: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = run(shell, "%reson logs")
    assert text.startswith(f"run {finished.id}:\n") and "hello from site-1" in text
    assert set(run(shell, "%reson info")[0].result) == {"site-1", "site-2"}
    history.add(RunRecord.new("newer", "local", finished.store), RunProgress())
    assert run(shell, "%reson info")[1].startswith("run newer-")
    followed_here = [finished.id, "deleted-1"]
    monkeypatch.setattr("reson_jupyter.notebook.commands.which_run._seen", followed_here)
    assert run(shell, "%reson info")[1].startswith(f"run {finished.id}:")


def test_without_any_run_there_is_no_newest(shell: InteractiveShell) -> None:
    result, text = run(shell, "%reson logs")
    assert isinstance(result.error_in_exec, reson.ResonError) and "this machine knows no runs" in text


def test_logs_can_be_followed(shell: InteractiveShell, finished: RunRecord) -> None:
    result, text = run(shell, f"%reson logs {finished.id} site-1 --follow")
    assert result.success and text == "hello from site-1\n"


@pytest.mark.parametrize("verb", ["attach", "abort", "delete", "rerun", "compare"])
def test_the_newest_runs_are_named_where_an_id_is_missing(shell: InteractiveShell, finished: RunRecord, verb: str) -> None:
    for number in range(5):
        history.add(RunRecord.new(f"older {number}", "local", finished.store), RunProgress())
    _, text = run(shell, f"%reson {verb}")
    assert "its id is missing; the newest runs are:" in text and f"usage: %reson {verb}" in text
    assert text.count(", pending, started 20") == 5 and "and 1 older ones: %reson runs" in text


def test_runs_are_compared(shell: InteractiveShell, finished: RunRecord) -> None:
    other = finished.model_copy(update={"id": "other-1"})
    other.save()
    EventLogWriter(DirectoryStore(Path(finished.store.removeprefix("file://"))), other.prefix).append(good_run())
    result, _ = run(shell, f"%reson compare {finished.id} other-1")
    assert [compared.id for compared in result.result.runs] == [finished.id, "other-1"]


def test_delete_says_what_it_removed(shell: InteractiveShell, finished: RunRecord) -> None:
    result, text = run(shell, f"%reson delete {finished.id}")
    assert result.success and result.result is None
    assert text.startswith(f"deleted run {finished.id}: 4 objects, ") and text.endswith(" bytes\n")
    _, text = run(shell, "%reson runs")
    assert "This machine knows no runs." in text


def test_rerun_takes_fields_as_config_does(shell: InteractiveShell, finished: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(reson.Run, "rerun", lambda self, **changes: given.update(changes, run=self.id))
    run(shell, f"%reson rerun {finished.id} num_rounds=3 learning_rate=0.5 optimizer=adam dropout=None 'name=once more'")
    assert given == {
        "run": finished.id, "num_rounds": 3, "learning_rate": 0.5, "optimizer": "adam", "dropout": None, "name": "once more",
    }  # fmt: skip


def test_a_command_can_be_forgotten_by_its_name_or_with_all_others(shell: InteractiveShell) -> None:
    for name in ("one", "two", "three"):
        run(shell, f"%%reson_command {name}\ndef {name}(params):\n    return 1\n")
    _, text = run(shell, "%reson forget command two")
    assert text.startswith("forgot the command two of In[") and set(reson.session().captures) == {"command one", "command three"}
    _, text = run(shell, "%reson forget command two")
    assert text == "no command two was captured\n"
    run(shell, "%reson forget command")
    assert not reson.session().captures


def test_a_capture_can_be_forgotten(shell: InteractiveShell) -> None:
    run(shell, MODEL)
    _, shown = run(shell, "%reson config")
    assert "model = Net of In[" in shown
    _, text = run(shell, "%reson forget model")
    assert text.startswith("forgot the model Net") and reson.session().capture("model") is None
