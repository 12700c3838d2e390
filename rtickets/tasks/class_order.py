"""The classes of a data set in the order of those that a head tells apart."""

from collections.abc import Sequence

import numpy as np

from rtickets.data.arrays import Dataset, Split
from rtickets.errors import InputError


def matched(own: Sequence[str], dataset: Dataset) -> Dataset:
    """Return a data set as a head can be judged on it: its classes in the order of the head's.

    Args:
        own: names of the classes that the head tells apart.
        dataset: the data set.

    Returns:
        The data set. Where its classes are the head's in another order, its labels are the head's;
        where the head's have no names, they are taken for the data set's, in its order. Both are
        said in its notes.

    Raises:
        InputError: if the classes are not the head's.
    """
    own, theirs = list(own), list(dataset.class_names)
    if own == theirs:
        return dataset
    if sorted(own) == sorted(theirs) and len(set(own)) == len(own):
        note = "the classes are the ticket's in another order; labels follow the ticket's"
        return _relabelled(dataset, own)._replace(notes=(*dataset.notes, note))
    if len(own) == len(theirs) and own == [f"class_{index}" for index in range(len(own))]:
        note = (
            "the ticket's classes have no names; they are taken for those of the task, in its "
            f"order ({', '.join(theirs[:3])}, ...); rtickets import --classes names them"
        )
        return dataset._replace(notes=(*dataset.notes, note))
    raise InputError(
        f"the ticket tells {len(own)} classes apart ({', '.join(own[:3])}, ...), the task has "
        f"{len(theirs)} ({', '.join(theirs[:3])}, ...); transfer it to the task first"
    )


def in_order_of(own: Sequence[str], dataset: Dataset) -> Dataset | None:
    """Return a data set with its classes in the order of a head's, or None if it has others."""
    own = list(own)
    if sorted(own) != sorted(dataset.class_names) or len(set(own)) < len(own):
        return None
    return dataset if own == list(dataset.class_names) else _relabelled(dataset, own)


def _relabelled(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return a data set with labels that are places in `names`, its classes in another order."""
    table = np.array([names.index(name) for name in dataset.class_names], np.int32)

    def relabel(split: Split) -> Split:
        return split.having(label=table[split.labels])

    return dataset._replace(
        train=relabel(dataset.train),
        validation=relabel(dataset.validation),
        test=relabel(dataset.test),
        class_names=tuple(names),
    )
