"""Labels as people write them: numbers, names of classes, several of them, and what numpy and torch make of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..classes import all_numbers, labels_of
from ..manifest import label_problem
from ..problems import Problems

Label = int | str


def read_labels(value: Any) -> tuple[Label, ...]:
    """Returns the labels of one sample.

    Raises:
        ValueError: they are neither whole numbers nor names.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
        if isinstance(value, list) and len(value) > 1 and all(one in (0, 1) for one in value):
            raise ValueError(f"its label {_short(value)} looks like one place for each class; list the classes: y.nonzero()")
    several = isinstance(value, list | tuple | set | frozenset)
    labels = [one.tolist() if hasattr(one, "tolist") else one for one in (value if several else [value])]
    # A column of integers with a gap in it is one of floats to pandas.
    labels = [int(one) if isinstance(one, float) and one.is_integer() else one for one in labels]
    for label in labels:
        if label is None or label != label:
            raise ValueError("it has no label")
        if not isinstance(label, int | str) or isinstance(label, bool) or label == "":
            raise ValueError(f"its label {_short(label)} is neither a whole number nor the name of a class")
    if len({type(label) for label in labels}) > 1:
        raise ValueError(f"its labels {_short(labels)} are both numbers and names")
    if labels and isinstance(labels[0], int) and (problem := label_problem(labels)):
        raise ValueError(problem)
    return tuple(labels)


def indices_of(labels: Sequence[tuple[Label, ...]], problems: Problems) -> tuple[dict[Label, int], bool]:
    """Returns the class index of each label, and whether labels are names that tell more than the indices."""
    found = {label for those in labels for label in those}
    names = {label for label in found if isinstance(label, str)}
    if not names:
        return {label: int(label) for label in found}, False
    if len(names) < len(found):
        problems.add(f"labels are numbers for some samples and names for others, such as {min(names)!r}")
    return dict(labels_of(names).items()), not all_numbers(names)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
