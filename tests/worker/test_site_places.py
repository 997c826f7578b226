"""Where a site's data is looked for before its shard, and after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reson_jupyter.worker.agent import _reson_own_folder
from reson_jupyter.worker.site_data import _reson_BadSetting, _reson_given_place, _reson_set_place


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RESON_DATA_ROOT", raising=False)
    folder = tmp_path / "local"
    folder.mkdir()
    return folder


def test_a_site_says_by_its_environment_or_its_settings_where_its_data_is(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _reson_set_place(str(local), "site-1") == ("", "")
    (local / "reson.json").write_text(json.dumps({"data_root": str(tmp_path)}))
    assert _reson_set_place(str(local), "site-1") == (str(tmp_path), str(local / "reson.json"))
    monkeypatch.setenv("RESON_DATA_ROOT", str(local))
    assert _reson_set_place(str(local), "site-1") == (str(local), "RESON_DATA_ROOT")
    (local / "site-1").mkdir()
    assert _reson_set_place(str(local), "site-1")[0] == str(local / "site-1")


def test_settings_without_a_data_root_say_nothing(local: Path) -> None:
    (local / "reson.json").write_text("{}")
    assert _reson_set_place(str(local), "site-1") == ("", "")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"data_root": 1}', '{"data_root": "relative"}', '{"data_root": "/not/there"}', "\xff"]
)
def test_settings_that_lead_nowhere_are_named(local: Path, text: str) -> None:
    (local / "reson.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(_reson_BadSetting, match=r"reson\.json (says|cannot be read|is not of the form)"):
        _reson_set_place(str(local), "site-1")


def test_the_place_that_the_job_says_counts_where_something_is(tmp_path: Path) -> None:
    assert _reson_given_place(str(tmp_path / "none"), "site-1") == ""
    assert _reson_given_place(str(tmp_path), "site-1") == ""
    (tmp_path / "a").touch()
    assert _reson_given_place(str(tmp_path), "site-1") == str(tmp_path) == _reson_own_folder(str(tmp_path), "site-1")
