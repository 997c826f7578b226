"""Names and texts that strangers may give to metrics, sites, classes, jobs: what they must not do, wherever they are shown."""

from __future__ import annotations

from html.parser import HTMLParser

# What makes links and hides text where a page typesets TeX.
TEX = (
    r"$\href{https://evil.example/}{\text{https://good.example}}$",
    r"$$\phantom{hidden}$$",
    r"\(\href{https://evil.example/}{x}\)",
)

HOSTILE = (
    "<img src=x onerror=window.__x=1>",
    "</script><script>window.__x=1</script>",
    "</pre></style></textarea></title><svg/onload=window.__x=1>",
    "' onmouseover='window.__x=1",
    '" autofocus onfocus="window.__x=1',
    "javascript:window.__x=1",
    "[x](javascript:window.__x=1)",
    "<a href='javascript:window.__x=1'>https://good.example</a>",
    "<iframe srcdoc='<script>parent.__x=1</script>'>",
    "&lt;img src=x onerror=window.__x=1&gt;",
    "${window.__x=1} {{window.__x=1}}",
    "$\\frac{",
    *TEX,
    "__proto__",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "line\u2028break\u2029\r\nhidden",
    "abc\u202egnp.exe",
    "\x00\x07\x08",
)

# What runs, loads or leads somewhere. A report may have links of its own; a name may not become one.
_NEVER = {"script", "style", "link", "iframe", "object", "embed", "svg", "math", "base", "form", "input", "meta", "a"}
_ADDRESSES = ("src", "href", "srcdoc", "action", "formaction", "xlink:href", "background", "poster")


class Tags(HTMLParser):
    """A page as its tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(page: str) -> Tags:
    """Asserts that a page runs, loads and leads to nothing, and that no text in it is taken for TeX, and returns it."""
    tags = Tags(page)
    assert {"mathjax_ignore", "tex2jax_ignore"} <= set(str(tags.tags[0][1].get("class")).split())
    assert not _NEVER & {tag for tag, _ in tags.tags}
    for _, attributes in tags.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "autofocus"]
        addresses = [attributes[name] for name in _ADDRESSES if name in attributes]
        assert all(str(address).startswith("data:image/png;base64,") for address in addresses)
        assert "url(" not in str(attributes.get("style") or "") and "expression(" not in str(attributes.get("style") or "")
    return tags
