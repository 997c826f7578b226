from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image

from reson_jupyter.notebook.live.links import linked
from reson_jupyter.notebook.live.run_report import chart_figure, report_html, report_text

HOSTILE = (
    "<img src=x onerror=window.__x=1>",
    "</script><script>window.__x=1</script>",
    "' onmouseover='window.__x=1",
    'javascript:"window.__x=1"',
    "$\\frac{",
    "\x1b[31m\u2028_hidden",
)
NEVER_IN_A_REPORT = {"script", "style", "link", "iframe", "a"}


def snapshot(name: str = "site-1", metric: str = "loss", state: str = "finished", **run: Any) -> dict[str, Any]:
    facts = {"id": "r1", "name": "digits", "target": "local", "state": state, "sentence": "Said.", "reason": ""}
    return {
        "version": 9,
        "full": True,
        "run": {**facts, "round": 2, "rounds": 2, "started": 1_790_000_000.0, "ended": 1_790_000_075.0, **run},
        "sites": [{"site": name, "phase": "done", "round": 1, "samples": 1234.0, "metrics": {metric: 0.5}, "problem": None}],
        "lines": [{"name": metric, "site": site, "rounds": [0, 1], "values": [2.0, 1.0]} for site in (name, None)],
        "events": [],
    }


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_says_how_the_run_went() -> None:
    text = Tags(report_html(snapshot(state="failed", reason="site-1 raised ValueError"))).text
    for part in ("failed", "digits", "Said. site-1 raised ValueError", "2 of 2", "1 min 15 s", "local", "1,234", "0.5"):
        assert part in text


def test_each_metric_has_a_chart_that_is_a_png() -> None:
    page = Tags(report_html(snapshot()))
    [image] = [attributes for tag, attributes in page.tags if tag == "img"]
    source = image["src"] or ""
    assert source.startswith("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as picture:
        assert picture.width > 400
        # The page's own background shows through, light or dark.
        assert picture.convert("RGBA").getpixel((2, 2))[3] == 0


def test_a_run_without_metrics_has_no_chart_and_no_table() -> None:
    page = report_html({**snapshot(), "lines": [], "sites": []})
    assert "<img" not in page
    assert "<table" not in page


def test_a_problem_stands_below_its_site() -> None:
    broken = snapshot()
    broken["sites"][0]["problem"] = "ValueError: shapes differ"
    assert "ValueError: shapes differ" in Tags(report_html(broken)).text
    assert "ValueError: shapes differ" in report_text(broken)


def test_a_report_brings_no_script_and_no_styles_of_its_own() -> None:
    assert not NEVER_IN_A_REPORT & {tag for tag, _ in Tags(report_html(snapshot())).tags}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_and_nothing_else(name: str) -> None:
    hostile = snapshot(name=name, metric=name, state="failed", reason=name)
    hostile["run"].update(id=name, target=name, sentence=name)
    hostile["sites"][0].update(problem=name, phase=name)
    page = Tags(report_html(hostile))
    assert not NEVER_IN_A_REPORT & {tag for tag, _ in page.tags}
    assert [attributes["src"] for tag, attributes in page.tags if tag == "img" and "base64" not in str(attributes["src"])] == []
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(name) >= 4


def test_values_that_are_not_finite_are_shown_and_not_drawn() -> None:
    diverged = snapshot()
    diverged["lines"][0]["values"][1] = "NaN"
    diverged["sites"][0]["metrics"]["loss"] = "NaN"
    page = Tags(report_html(diverged))
    assert "NaN" in page.text


def failures(more: int = 0, **card: Any) -> dict[str, Any]:
    step = {"title": "In[4], line 9 (forward)", "lines": [(9, "return self.fc(x)", True)], "folded": ""}
    texts = {"who": "site-1, round 2", "headline": "RuntimeError at In[4], line 9 (forward)", "message": "shapes differ"}
    told = {"cause": "made for 256 inputs", "fix": "make it fit", "traceback": "Traceback"}
    return {"cards": [{**texts, "steps": [step], **told, **card}], "more": more}


def test_the_cards_of_the_errors_stand_above_of_a_run_that_failed_and_the_rest_is_counted() -> None:
    broken = {**snapshot(state="failed"), "failures": failures(more=4)}
    page, text = Tags(report_html(broken)).text, report_text(broken)
    for shown in (page, text):
        assert "site-1, round 2: RuntimeError at In[4], line 9 (forward)" in shown
        assert "> 9 | return self.fc(x)" in shown
        assert "make it fit" in shown
        assert "and 4 more errors: run.errors() has all of them" in shown
    assert page.index("RuntimeError at") < page.index("Last round")
    going_on = Tags(report_html({**broken, "run": {**broken["run"], "state": "degraded"}})).text
    assert going_on.index("Last round") < going_on.index("RuntimeError at")


def test_a_run_without_errors_has_no_card() -> None:
    assert "<details" not in report_html({**snapshot(), "failures": {"cards": [], "more": 0}})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_failures_are_text_and_nothing_else(name: str) -> None:
    steps = [
        {"title": name, "lines": [(9, name, True), (10, name, False)], "folded": ""},
        {"title": name, "lines": [], "folded": name},
    ]
    texts = dict.fromkeys(("who", "headline", "message", "cause", "fix", "traceback"), name)
    page = Tags(report_html({**snapshot(), "failures": failures(**texts, steps=steps)}))
    assert not (NEVER_IN_A_REPORT | {"svg", "object"}) & {tag for tag, _ in page.tags}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(name) == 11


def test_what_is_left_of_a_stopped_run_is_offered() -> None:
    stopped = snapshot(state="aborted", offer="The model of round 3 is kept: reson.attach('r1').model()")
    assert "The model of round 3 is kept" in Tags(report_html(stopped)).text
    assert "The model of round 3 is kept" in report_text(stopped)


def test_a_run_that_is_being_stopped_says_so_where_no_view_is_drawn() -> None:
    assert report_text(snapshot(state="running", stopping=1.0)).startswith("Reson run digits: running, stopping")


def test_a_stalled_site_is_told_of() -> None:
    stalled = snapshot(state="running")
    stalled["sites"][0].update(phase="stalled", stalled="no progress for 15 s in In[4], line 9")
    assert "no progress for 15 s in In[4], line 9" in Tags(report_html(stalled)).text
    assert "no progress for 15 s in In[4], line 9" in report_text(stalled)


def ticks_of(rounds: int, numbers: list[int]) -> list[str]:
    lines = [{"name": "loss", "site": None, "rounds": numbers, "values": [1.0 for _ in numbers]}]
    run = {**snapshot(rounds=rounds), "lines": lines, "sites": []}
    figure = chart_figure(run, "loss")
    figure.draw_without_rendering()
    left, right = figure.axes[0].get_xlim()
    axis = figure.axes[0].xaxis
    shown = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [label.get_text() for place, label in shown if left <= place <= right]


def test_the_rounds_below_a_chart_are_whole_and_the_final_models_validation_is_called_final() -> None:
    assert ticks_of(1, [0]) == ["1"]
    assert ticks_of(1, [0, 1]) == ["1", "final"]
    assert ticks_of(3, [0, 1, 2]) == ["1", "2", "3"]
    assert ticks_of(3, [0, 1, 2, 3]) == ["1", "2", "3", "final"]
    assert ticks_of(10, list(range(11)))[-2:] == ["10", "final"]
    for rounds in (2, 9, 11, 20, 47):
        *before, last = ticks_of(rounds, list(range(rounds + 1)))
        assert last == "final" and all(int(tick) <= rounds for tick in before)


def test_the_text_report_has_one_line_a_site() -> None:
    lines = report_text(snapshot()).splitlines()
    assert lines[0] == "Reson run digits: finished"
    assert re.search(r"site-1: done loss 0\.5", lines[-1])


def test_how_the_job_was_made_stays_readable() -> None:
    noted = snapshot()
    noted["run"]["notes"] = ["training: the default image classification", "<b>not markup</b>"]
    tags = Tags(report_html(noted))
    assert "How the job was made (2 notes)training: the default image classification<b>not markup</b>" in tags.text
    [details] = [attributes for tag, attributes in tags.tags if tag == "details"]
    assert "open" not in details


def test_what_deserves_attention_of_how_the_job_was_made_is_not_folded() -> None:
    noted = snapshot(notes=["min_clients was not set"], warnings=["nothing reads <b>"], links=["at https://a.org/1"])
    page = report_html(noted)
    before = Tags(page.partition("<details")[0])
    assert "nothing reads <b>" in before.text and ("a", "https://a.org/1") in [
        (tag, known.get("href")) for tag, known in before.tags
    ]
    assert "min_clients" not in before.text and "min_clients" in Tags(page).text
    assert "warning: nothing reads <b>" in report_text(noted)


def test_a_chart_is_kept_in_few_bytes() -> None:
    long = snapshot(rounds=60)
    values = [2.2 * 0.93**number + 0.05 * (number % 3) for number in range(60)]
    long["sites"] = [{**long["sites"][0], "site": f"site-{number}"} for number in range(3)]
    names = [*(row["site"] for row in long["sites"]), None]
    long["lines"] = [{"name": "loss", "site": name, "rounds": list(range(60)), "values": values} for name in names]
    [image] = [known["src"] for tag, known in Tags(report_html(long)).tags if tag == "img"]
    assert len(image or "") < 20_000


@pytest.mark.parametrize("values", [(1.7e308, -1.7e308), (1.7e308, 1.0), (1e-320, 1.7e308), (float("nan"), float("inf"))])
def test_values_that_cannot_be_drawn_cost_no_more_than_their_chart(values: tuple[float, float]) -> None:
    huge = snapshot()
    huge["lines"][0]["values"] = list(values)
    huge["lines"].append({"name": "accuracy", "site": "site-1", "rounds": [0], "values": [0.5]})
    page = Tags(report_html(huge))
    charts = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert "accuracy over the rounds" in charts
    assert ("loss over the rounds" in charts) != ("No chart of loss: its values cannot be drawn." in page.text)


def environments(wrong: bool = True, name: str = "site-1", text: str = "3.11.9") -> dict[str, Any]:
    row = {"site": name, "cells": [(text, wrong)], "problems": [text] if wrong else [], "notes": [text]}
    return {"summary": f"1 site prepared: {text}", "wrong": wrong, "columns": ["Python"], "rows": [row]}


def test_what_the_sites_had_is_one_line_where_all_was_well_and_open_where_something_was_wrong() -> None:
    for wrong in (False, True):
        page = Tags(report_html({**snapshot(), "environments": environments(wrong)}))
        [details] = [attributes for tag, attributes in page.tags if tag == "details"]
        assert ("open" in details) is wrong
        assert "1 site prepared: 3.11.9" in page.text
        assert ("site-1 cannot train: 3.11.9" in page.text) is wrong
        assert [tag for tag, _ in page.tags].count("mark") == wrong


def test_the_text_report_has_the_table_of_what_the_sites_had_only_where_something_was_wrong() -> None:
    sound = report_text({**snapshot(), "environments": environments(wrong=False)}).splitlines()
    assert "1 site prepared: 3.11.9" in sound and len(sound) == len(report_text(snapshot()).splitlines()) + 1
    wrong = report_text({**snapshot(), "environments": environments()})
    assert "  site    Python\n  site-1  3.11.9 (!)\n  site-1 cannot train: 3.11.9" in wrong


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_of_what_a_site_has_are_text_and_nothing_else(name: str) -> None:
    page = Tags(report_html({**snapshot(place=name), "environments": environments(name=name, text=name)}))
    assert not NEVER_IN_A_REPORT & {tag for tag, _ in page.tags}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(name) >= 6


def test_the_report_says_where_the_run_was() -> None:
    assert "target flare, fl.example.org:8002" in Tags(report_html(snapshot(target="flare", place="fl.example.org:8002"))).text


def test_an_address_in_a_note_is_a_link_and_nothing_else_is() -> None:
    noted = snapshot(notes=["dashboard: https://app.example.org/jobs/clx1?tab=log&a=1.", "<b>javascript:alert(1)</b>"])
    page = Tags(report_html(noted))
    assert [attributes for tag, attributes in page.tags if tag == "a"] == [
        {"href": "https://app.example.org/jobs/clx1?tab=log&a=1", "target": "_blank", "rel": "noopener noreferrer"}
    ]
    assert "dashboard: https://app.example.org/jobs/clx1?tab=log&a=1.<b>javascript:alert(1)</b>" in page.text


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see http://127.0.0.1:8080/a", ["http://127.0.0.1:8080/a"]),
        ("(https://a.org/b), https://a.org", ["https://a.org/b", "https://a.org"]),
        ("https://good.org@evil.org/x", ["https://good.org"]),
        ("https://good.org\\@evil.org", ["https://good.org"]),
        ("https://a.org/\u202egro.live", ["https://a.org/"]),
        ("https://\u0430pple.com ftp://a.org javascript:alert(1) //a.org data:text/html,x", []),
        ("https://a.org/'onmouseover='x", ["https://a.org/"]),
        ('https://a.org/"><img src=x>', ["https://a.org/"]),
    ],
)
def test_a_link_leads_where_its_text_says(text: str, links: list[str]) -> None:
    page = Tags(linked(text))
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == links
    assert {tag for tag, _ in page.tags} <= {"a"} and page.text == text
