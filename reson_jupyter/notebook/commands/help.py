"""`%reson help`: what there is, by subject."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .parser import Parser

_EXAMPLES = """\
for example:
  %reson config batch_size=64 num_rounds=3 dropout=0.1
  %reson check --shards ./shards
  run = %reson submit --name digits --shards ./shards --rounds 5
  %reson attach digits-01k2...

%reson help VERB tells of one. Tab completes verbs, flags, fields and the ids of runs.
Cells are captured by %%reson_model, %%reson_train, %%reson_executor, %%reson_persistor and %%reson_command;
callbacks of Scaleout Edge by %%reson_startup. %%reson_model --help tells of it; so do the others."""


@dataclass(frozen=True)
class Subject:
    """Verbs that belong together."""

    title: str
    verbs: tuple[Parser, ...]


def add_help_verb(parser: Parser, subjects: Iterable[Subject]) -> None:
    """Adds `%reson help` to the parser of `%reson`, which tells of its verbs by subject."""
    told = tuple(subjects)

    def show(arguments: argparse.Namespace) -> None:
        if arguments.topic:
            parser.parse_args([*arguments.topic, "--help"])
        else:
            print("\n".join(_overview(parser, told)))

    verb = parser.add_verb(
        "help", show, "show what there is, or tell of one verb", "%reson help submit", "%reson help shards make"
    )
    verb.add_argument("topic", metavar="VERB", nargs="*", help="the verb, and its action if it has some")


def _overview(parser: Parser, subjects: Sequence[Subject]) -> Iterator[str]:
    width = max(len(_name(verb)) for subject in subjects for verb in subject.verbs)
    yield f"usage: {parser.prog} VERB ..."
    yield f"\n{parser.about}"
    for subject in subjects:
        yield f"\n{subject.title}:"
        yield from (f"  {_name(verb):{width}}  {verb.about}" for verb in subject.verbs)
    yield f"\n{_EXAMPLES}"


def _name(verb: Parser) -> str:
    return verb.prog.rpartition(" ")[2]
