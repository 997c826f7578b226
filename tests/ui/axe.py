"""What axe-core, which knows the rules of accessible pages, finds wrong in a part of a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator

SCRIPT = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")

_RUN = """async node => {
    const {violations} = await window.axe.run(node, {resultTypes: ['violations']});
    return violations.flatMap(({id, impact, nodes}) => nodes.map(({html, failureSummary}) => [impact, id, html, failureSummary]));
}"""


def violations(part: Locator) -> list[str]:
    """Returns what is seriously wrong in `part`, a sentence each: the rule, the element, and what would fix it.

    Only what can be scrolled into the page's view is looked at for its colours.
    """
    page = part.page
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found = part.evaluate(_RUN)
    return [f"{rule} at {html[:200]}: {summary}" for impact, rule, html, summary in found if impact in GRAVE]
