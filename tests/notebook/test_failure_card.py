"""The card of a failure says where in the notebook it is and what to do, as text and as HTML that harms nobody."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from reson_jupyter.backend.failure.explain import Explained, Frame
from reson_jupyter.notebook.live.failure_card import FailureCard

CELL = """%%reson_model
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(256, 10)
    def forward(self, x):
        return self.fc(x)

def fl_train(model, env, out_dir, logger):
    return model(env)"""
CALLS = (
    Frame("In[4]", 12, "fl_train", "return model(env)", True),
    Frame("In[4]", 9, "forward", "return self.fc(x)", True),
)
MESSAGE = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x512 and 256x10)"
FAILURE = Explained(
    MESSAGE, CALLS[-1], CALLS, "A Linear layer is made for 256 inputs.", "Make it fit img_size.", "Traceback\n  all of it"
)
HOSTILE = "<img src=x onerror=alert(1)></pre></details><script>alert(1)</script>' onclick='x \"&amp;"


class Page(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_text_shows_the_place_its_neighbours_the_path_the_cause_and_the_fix() -> None:
    assert repr(FailureCard(FAILURE, lambda label: CELL if label == "In[4]" else None)) == "\n".join(
        [
            "RuntimeError at In[4], line 9 (forward)",
            "  mat1 and mat2 shapes cannot be multiplied (8x512 and 256x10)",
            "     7 |         self.fc = nn.Linear(256, 10)",
            "     8 |     def forward(self, x):",
            "  >  9 |         return self.fc(x)",
            "    10 |",
            "    11 | def fl_train(model, env, out_dir, logger):",
            "  path    In[4], line 12 (fl_train) → In[4], line 9 (forward)",
            "  cause   A Linear layer is made for 256 inputs.",
            "  fix     Make it fit img_size.",
        ]
    )


def test_the_page_shows_every_call_with_its_line_and_the_whole_traceback_folded_away() -> None:
    page = Page(FailureCard(FAILURE, lambda _: CELL, "site-1, round 2")._repr_html_())
    parts = (
        "site-1, round 2: RuntimeError at In[4], line 9 (forward)",
        "mat1 and mat2",
        "In[4], line 12 (fl_train)> 12 | return model(env)",
        "In[4], line 9 (forward)   7 |",
        "   8 |     def forward",
        ">  9 |         return self.fc(x)",
        "A Linear layer is made",
        "Make it fit",
        "Traceback\n  all of it",
    )
    places = [page.text.find(part) for part in parts]
    assert places == sorted(places) and -1 not in places
    [details] = [attributes for tag, attributes in page.tags if tag == "details"]
    assert "open" not in details


@pytest.mark.parametrize("text", [None, "", "a cell of\nanother notebook", CELL.replace("self.fc(x)", "self.fc(x.flatten(1))")])
def test_a_cell_that_is_not_the_one_that_failed_is_not_shown(text: str | None) -> None:
    card = FailureCard(FAILURE, lambda _: text)
    assert "  > 9 | return self.fc(x)\n" in repr(card), "the traceback has the line itself"
    assert "another notebook" not in repr(card) and "flatten" not in repr(card)


def test_a_line_whose_text_nobody_knows_is_only_named() -> None:
    card = FailureCard(Explained("KeyError: 'x'", where := Frame("In[4]", 9, "forward", "", True), (where,)))
    assert repr(card) == "KeyError at In[4], line 9 (forward)\n  'x'"
    assert "<pre" not in card._repr_html_()


def test_the_first_and_last_lines_of_a_cell_have_neighbours_on_one_side_only() -> None:
    for line, text, first, last in ((1, "one", "> 1 | one", "  3 | three"), (4, "four", "  2 | two", "> 4 | four")):
        where = Frame("In[1]", line, "", text, True)
        shown = repr(FailureCard(Explained("SyntaxError: bad", where, (where,)), lambda _: "one\ntwo\nthree\nfour")).split("\n")[
            2:
        ]
        assert (shown[0].strip(), shown[-1].strip(), len(shown)) == (first.strip(), last.strip(), 3)


def test_a_failure_outside_the_users_code_has_no_place() -> None:
    assert repr(FailureCard(Explained("OSError: disk"))) == "OSError\n  disk"
    assert repr(FailureCard(Explained("the server went away: nobody knows"))) == "It failed\n  the server went away: nobody knows"
    assert repr(FailureCard(Explained("AssertionError"))) == "AssertionError"
    assert repr(FailureCard(Explained(""))) == "It failed"


def test_the_calls_in_libraries_are_folded_where_they_stand_by_the_name_of_the_library() -> None:
    torch = "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/module.py"
    calls = (
        Frame("custom_client_executor.py", 200, "execute", "result = self._call()", False),
        CALLS[0],
        Frame(torch, 1518, "_wrapped_call_impl", "return self._call_impl(*args, **kwargs)", False),
        Frame(torch, 1527, "_call_impl", "return forward_call(*args, **kwargs)", False),
        CALLS[1],
        Frame("/usr/lib/python3.11/json/decoder.py", 337, "decode", "", False),
    )
    page = Page(FailureCard(Explained(MESSAGE, CALLS[1], calls))._repr_html_())
    folded = page.text.index("2 calls in torchtorch/nn/modules/module.py, line 1518 (_wrapped_call_impl)\n    return self._call")
    assert page.text.index("In[4], line 12 (fl_train)") < folded < page.text.rindex("In[4], line 9 (forward)")
    assert page.text.endswith("1 call in Pythonjson/decoder.py, line 337 (decode)")
    assert "execute" not in page.text, "what called the user's code explains nothing"
    assert [tag for tag, _ in page.tags].count("details") == 2


def test_a_long_path_shows_its_end() -> None:
    calls = tuple(Frame("In[4]", number, f"f{number}", "", True) for number in range(1, 100))
    text = repr(FailureCard(Explained("ValueError: x", calls[-1], calls)))
    assert "path    … → In[4], line 92 (f92) → " in text and "f91" not in text


def test_hostile_text_stays_text() -> None:
    frame = Frame(HOSTILE, 1, HOSTILE, HOSTILE, True)
    failure = Explained(f"ValueError: {HOSTILE}", frame, (frame, frame), HOSTILE, HOSTILE, HOSTILE)
    page = Page(FailureCard(failure, lambda _: f"{HOSTILE}\n{HOSTILE}")._repr_html_())
    assert {tag for tag, _ in page.tags} <= {
        "div",
        "strong",
        "p",
        "pre",
        "span",
        "table",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
    }
    assert {name for _, attributes in page.tags for name in attributes} <= {"style", "class", "scope"}
    assert page.text.count(HOSTILE) >= 9


def test_no_colour_of_text_or_page_is_set_so_that_light_and_dark_both_read_well() -> None:
    page = Page(FailureCard(FAILURE, lambda _: CELL)._repr_html_())
    styles = ";".join(attributes.get("style") or "" for _, attributes in page.tags)
    properties = [rule.partition(":") for rule in styles.split(";") if rule]
    assert "color" not in {name.strip() for name, _, _ in properties}
    assert all("rgba" in value for name, _, value in properties if name.strip() == "background")
