"""What pages are sent is what the front end's types say, to the field."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reson_jupyter import api
from reson_jupyter.backend import observers
from reson_jupyter.session import Refusal, Session
from tests.runs.conftest import write_image_shard

from .fake_page import FakePage
from .test_parts import made_up

_TYPES = Path(__file__).parents[3] / "labextension" / "src" / "sidebar" / "types.ts"


def fits(value: dict[str, Any], interface: str) -> None:
    """Asserts that a message has the fields of an interface: all, but for those that may be left out, and no others."""
    text = re.sub(r"/\*\*.*?\*/", "", _TYPES.read_text(), flags=re.S)
    found = re.search(rf"^export interface {interface} {{\n(.*?)^}}", text, flags=re.S | re.M)
    assert found, interface
    fields = dict(re.findall(r"^  (\w+)(\??):", found[1], flags=re.M))
    assert value.keys() <= fields.keys()
    assert fields.keys() - value.keys() <= {name for name, mark in fields.items() if mark}


@pytest.mark.usefixtures("sidebar")
def test_every_part_has_the_fields_of_its_type(
    open_page: Callable[[], FakePage], session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image_shard(tmp_path / "site-1.zip", [0, 1], 1)
    session.set_refusal(Refusal("model", "In[1]", "no", ""))
    session.configure(shards_dir=str(tmp_path), dropout=0.5)
    observers.announce(api.find(made_up(tmp_path, done=True)[0].id))
    page = open_page()
    page.ask("runs")
    page.ask("check_shards")
    fits(page.states[0], "StateMessage")
    state = page.seen
    fits(state, "State")
    for row in state["captures"]:
        fits(row, "CaptureRow")
    fits(state["captures"][0]["checks"][0], "Check")
    for form in state["forms"]:
        fits(form, "Form")
        for field in form["schema"]["properties"].values():
            fits({name: entry for name, entry in field.items() if name not in _UNREAD}, "FieldSchema")
    fits(state["forms"][0]["rows"], "Rows")
    fits(next(form for form in state["forms"] if form["id"] == "target")["keys"][0], "Key")
    fits(state["data"], "Data")
    fits(state["data"]["shards"][0], "Shard")
    fits(state["submit"], "Submit")
    go_on = threading.Event()
    monkeypatch.setattr(api, "check", lambda: go_on.wait(20))
    checked = page.send("check")
    fits(page.wait_for(lambda state: state["submit"]["activity"]), "Activity")
    go_on.set()
    page.reply_to(checked)
    fits(state["runs"], "Runs")
    fits(state["runs"]["rows"][0], "RunRow")
    fits(page.refused("explode"), "CommandProblem")
    replies = [message for message in page.state.messages if message["kind"] == "reply"]
    fits(replies[0], "ReplyMessage")
    fits(replies[-1], "ReplyMessage")


# Of JSON schema, and no form reads it.
_UNREAD = {"minLength"}
