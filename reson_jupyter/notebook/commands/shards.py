"""`%reson shards`: make shards of data, check them, show and clear the cache of their images."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, get_args

from IPython.display import display

from ...data.cache import ImageCache, image_cache
from ...data.images import Images
from ...data.making import make_shards
from ...data.making.plan import Partition
from ...data.report import HINT, ShardsReport, counted
from ...data.shards import check_shards
from ...errors import ShardError
from ...paths import expanded
from ...session import Session, current_session
from .parser import Parser


def add_shards_verbs(shards: Parser) -> None:
    """Adds what `%reson shards` can do to its parser."""
    make = shards.add_verb(
        "make", _make, "deal images out to sites, as one shard for each",
        "%reson shards make photos --out shards --sites 3",
        "%reson shards make table --out shards --partition column --column hospital",
        metavar="ACTION",
    )  # fmt: skip
    make.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder of class folders, a shard, a folder of shards; else a variable of the notebook (list, DataFrame, Dataset)",
    )
    make.add_argument("--out", metavar="DIR", required=True, help="folder for the shards; those of an earlier call are replaced")
    make.add_argument("--sites", metavar="N", type=int, help="number of sites (default: 3, or what --sizes or --column tell)")
    make.add_argument(
        "--partition",
        choices=get_args(Partition),
        default="iid",
        help="how samples are dealt out: evenly, by --sizes, classes unevenly, or by --column (default: iid)",
    )
    make.add_argument(
        "--alpha", metavar="A", type=float, help="of partition label: 0.1 is very uneven, 100 nearly even (default: 0.5)"
    )
    make.add_argument("--sizes", metavar="A,B,...", type=numbers, help="of partition size: each site's part, such as 0.5,0.3,0.2")
    make.add_argument("--column", metavar="NAME", help="of partition column: what tells the site, such as hospital")
    make.add_argument("--test", metavar="PART", type=float, help="part of the samples that is kept for a test, such as 0.2")
    make.add_argument("--seed", metavar="N", type=int, default=0, help="the same seed makes the same shards (default: 0)")

    check = shards.add_verb(
        "check", _check, "check a folder of shards and show what is in them", "%reson shards check shards --all"
    )
    check.add_argument("folder", metavar="DIR", nargs="?", help="the folder (default: shards_dir of the session)")
    check.add_argument("--all", action="store_true", help="read every image, not some of each shard")
    check.add_argument("--sites", metavar="N", type=int, help="number of sites (default: as many as shards)")

    cache = shards.add_verb(
        "cache", _cache, "show what this machine keeps of decoded images, so that local runs need not decode them again"
    )
    cache.add_argument("--clear", action="store_true", help="delete it")


def _make(arguments: argparse.Namespace) -> ShardsReport:
    names = ("sites", "alpha", "sizes", "column", "test")
    given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    report = make_shards(_source(arguments.source), arguments.out, partition=arguments.partition, seed=arguments.seed, **given)
    if current_session().submission.shards_dir != arguments.out:
        print(f"next: %reson config {shlex.quote(f'shards_dir={arguments.out}')}")
    return report


def _check(arguments: argparse.Namespace) -> ShardsReport:
    session = current_session()
    folder = arguments.folder or session.submission.shards_dir
    if not folder:
        arguments.refuse("no folder of shards is named: give DIR, or set it for all commands by %reson config shards_dir=DIR")
    report = look_at_shards(session, folder, images="all" if arguments.all else "sample", sites=arguments.sites)
    if report.problems.count:
        display(report)
        raise ShardError(f"the shards in {folder} have {counted(report.problems.count, 'problem')}, listed above", HINT)
    return report


def look_at_shards(session: Session, folder: str, *, images: Images = "sample", sites: int | None = None) -> ShardsReport:
    """Checks a folder of shards as the session would train on it; the arguments are those of `check_shards`."""
    return check_shards(
        folder,
        session.training.manifest_file,
        manifest_required=False if session.has_own_training else None,
        images=images,
        sites=sites,
        num_classes=session.training.num_classes,
        image_hosts=session.training.image_hosts,
    )


def _cache(arguments: argparse.Namespace) -> ImageCache | None:
    cache = image_cache()
    if not arguments.clear:
        return cache
    print(f"deleted {cache.clear() / 1e6:,.1f} of {cache.bytes / 1e6:,.1f} MB of decoded images; what runs are using stays")
    return None


def _source(word: str) -> Any:
    """What SOURCE means: a path that exists, else a variable of the notebook, else a path, of which make_shards tells."""
    kernel = current_session().kernel
    if kernel is not None and word in kernel.namespace and not expanded(word, ShardError).exists():
        return kernel.namespace[word]
    return word


def numbers(text: str) -> list[float]:
    """The type of --sizes; argparse names it in its message of a mistake."""
    return [float(part) for part in text.split(",")]
