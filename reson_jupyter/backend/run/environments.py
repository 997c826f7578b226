"""What the sites of a run have, beside each other, as plain data: it travels to the page, and the report is drawn from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypedDict

from ...names import printable
from ...units import size
from ..progress import RunProgress
from ..site_state import SiteEnvironment, SiteProgress

# What may break a run where sites differ in it; a device of its own is worth a look, and data everybody has of his own.
_MUST_AGREE = frozenset({"Python", "torch", "NVFlare"})
_SHOWN_PACKAGES = 6
_SHOWN_SENTENCES = 10
_LONGEST = 300  # characters
_MINOR = re.compile(r"\d+\.\d+")

# What makes two sites alike in a column; None: everybody has a value of his own.
_Key = Callable[[str], str] | None


class EnvironmentRow(TypedDict):
    """A site: its cells as [text, whether it stands out], what keeps it from training, and what else it noted."""

    site: str
    cells: list[tuple[str, bool]]
    problems: list[str]
    notes: list[str]


class Environments(TypedDict):
    """A table of the sites that have said what they have, and the sentence that stands for it while it is closed.

    `wrong` tells that it should be open: a site cannot train, or lacks a package, or versions differ.
    """

    summary: str
    wrong: bool
    columns: list[str]
    rows: list[EnvironmentRow]


def environments_of(run: RunProgress) -> Environments | None:
    """Returns what the sites of a run have; None while none has said it."""
    sites = [site for site in run.sites.values() if site.environment]
    if not sites:
        return None
    told = {site.name: site.environment for site in sites if site.environment}
    columns = [_column(title, [_text(value(env)) for env in told.values()], key) for title, value, key in _COLUMNS]
    columns[_DATA] = (
        "Data",
        [(data_of(site), stands_out) for site, (_, stands_out) in zip(sites, columns[_DATA][1], strict=True)],
    )
    packages = [_packages(env, run.versions) for env in told.values()]
    if any(text for text, _ in packages):
        columns.append(("Packages", [(text or "all there", mark) for text, mark in packages]))
    shown = [(title, cells) for title, cells in columns if any(text for text, _ in cells)]
    problems = [list(map(_text, env.problems[:_SHOWN_SENTENCES])) for env in told.values()]
    differs = any(mark for title, cells in shown if title in _MUST_AGREE or title == "Packages" for _, mark in cells)
    return Environments(
        summary=_summary(list(told.values()), len(run.sites)),
        wrong=any(problems) or differs,
        columns=[title for title, _ in shown],
        rows=[
            EnvironmentRow(
                site=name,
                cells=[(cells[row][0] or "–", cells[row][1]) for _, cells in shown],
                problems=problems[row],
                notes=list(map(_text, env.notes[:_SHOWN_SENTENCES])),
            )
            for row, (name, env) in enumerate(told.items())
        ],
    )


def device_of(environment: SiteEnvironment) -> str:
    """What a site computes on, as people write it."""
    return "CPU" if environment.device == "cpu" else _text(environment.device)


def data_of(site: SiteProgress) -> str:
    """Where a site's data comes from, in words; "" if it has not said so."""
    if site.environment is None:
        return ""
    source = site.environment.data
    if source == "shard" and site.shard:
        return _text(f"shard {site.shard}")
    return _text(source) or "none"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _minor(version: str) -> str:
    found = _MINOR.match(version)
    return found[0] if found else version


def _public(version: str) -> str:
    """A version without what tells how it was built, as in "2.13.0+cu128"."""
    return version.partition("+")[0]


_COLUMNS: Sequence[tuple[str, Callable[[SiteEnvironment], str], _Key]] = (
    ("Python", lambda env: env.python, _minor),
    ("torch", lambda env: env.torch, _public),
    ("NVFlare", lambda env: env.nvflare, _public),
    ("Device", device_of, str),
    ("Free disk", lambda env: "" if env.disk is None else size(env.disk), None),
    ("Data", lambda env: env.data, None),
    ("Samples", lambda env: _count(env.samples), None),
    ("Classes", lambda env: _count(env.classes), None),
)
_DATA = 5


def _column(title: str, texts: list[str], key: _Key) -> tuple[str, list[tuple[str, bool]]]:
    """A column with what stands out in it: whatever most of the sites do not have."""
    if key is None:
        return title, [(text, False) for text in texts]
    keys = list(map(key, texts))
    counts = Counter(keys)
    most = max(counts.values())
    usual = [value for value, count in counts.items() if count == most]
    return title, [(text, bool(text) and usual != [key]) for text, key in zip(texts, keys, strict=True)]


def _packages(environment: SiteEnvironment, asked: Mapping[str, str]) -> tuple[str, bool]:
    """The packages that are missing, or have other versions than the kernel that submitted the run."""
    known = {_normal(name): version for name, version in asked.items()}
    missing = [f"{name} is missing" for name, version in environment.packages.items() if not version]
    other = [
        f"{name} {version} (notebook: {known[_normal(name)]})"
        for name, version in environment.packages.items()
        if version
        and _normal(name) not in ("torch", "nvflare")
        and _public(known.get(_normal(name), version)) != _public(version)
    ]
    said = [*missing, *other]
    rest = [f"and {len(said) - _SHOWN_PACKAGES} more"] if len(said) > _SHOWN_PACKAGES else []
    return _text(", ".join([*said[:_SHOWN_PACKAGES], *rest])), bool(missing)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _summary(told: Sequence[SiteEnvironment], sites: int) -> str:
    of = f"{len(told)} of {sites} sites" if len(told) < sites else "1 site" if sites == 1 else f"{sites} sites"
    unable = sum(bool(env.problems) for env in told)
    samples = sum(env.samples or 0 for env in told)
    facts = [
        f"{unable} cannot train" if unable else "",
        _versions("Python", (env.python for env in told)),
        _versions("torch", (env.torch for env in told)),
        _either(map(device_of, told)),
        f"{samples:,} samples" if samples else "",
    ]
    said = ", ".join(filter(None, facts))
    return f"{of} {'answered' if unable else 'prepared'}{f': {said}' if said else ''}"


def _versions(what: str, versions: Iterable[str]) -> str:
    said = _either(_minor(_text(version)) for version in versions)
    return said and f"{what} {said}"


def _either(values: Iterable[str]) -> str:
    """The different values, at most three of them."""
    found = sorted(set(filter(None, values)))
    return " or ".join(found[:3]) + (" or others" if len(found) > 3 else "")


def _text(said: str) -> str:
    """What a site said, in one line that hides nothing."""
    return printable(said if len(said) <= _LONGEST else said[:_LONGEST] + "…")
