"""Entities by tags: what conlleval and a strict scheme take for one."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtickets.tasks.entities import counted

NAMES = ["O", "B-a", "I-a", "B-b", "I-b"]
run = jax.jit(counted, static_argnums=2)


def entities(tags, strict):
    """Return (first, last, kind) of entities, word by word."""
    found, open_ = [], None
    for place, tag in enumerate([*tags, "O"]):
        kind = tag[2:]
        goes_on = tag[0] == "I" and place > 0 and tags[place - 1][2:] == kind
        if goes_on:
            continue
        if open_ is not None:
            found.append((open_[0], place - 1, open_[1]))
        begins = tag[0] == "B" or (tag[0] == "I" and not strict)
        open_ = (place, kind) if begins else None
    return set(found)


@given(st.data(), st.booleans())
def test_entities_are_counted_as_word_by_word(data, strict):
    words = st.lists(st.sampled_from(NAMES), min_size=8, max_size=8)
    answers, true = np.array([[data.draw(words) for _ in range(3)] for _ in range(2)])
    asked = np.array(data.draw(st.lists(st.booleans(), min_size=24, max_size=24))).reshape(3, 8)
    number = np.vectorize(NAMES.index)
    found = run(number(answers), np.where(asked, number(true), -1), strict)
    for row in range(3):
        one, other = (entities(each[row][asked[row]].tolist(), strict) for each in (true, answers))
        expected = len(one), len(other), len(one & other)
        assert tuple(int(each[row]) for each in found) == expected


@pytest.mark.parametrize(
    ("true", "answers", "lenient", "strict"),
    [
        ("B-a I-a O", "B-a I-a O", (1, 1, 1), (1, 1, 1)),
        ("B-a I-a O", "I-a I-a O", (1, 1, 1), (1, 0, 0)),
        ("B-a I-a O", "B-a O O", (1, 1, 0), (1, 1, 0)),
        ("B-a I-a O", "B-b I-b O", (1, 1, 0), (1, 1, 0)),
        ("B-a B-a I-a", "B-a B-a I-a", (2, 2, 2), (2, 2, 2)),
        ("B-a B-a I-a", "B-a I-a I-a", (2, 1, 0), (2, 1, 0)),
        ("B-a I-b O", "B-a O O", (2, 1, 1), (1, 1, 1)),
        ("O O O", "O O B-b", (0, 1, 0), (0, 1, 0)),
    ],
)
def test_a_table_of_entities(true, answers, lenient, strict):
    true, answers = (
        np.array([[NAMES.index(tag) for tag in each.split()]]) for each in (true, answers)
    )
    for scheme, expected in ((False, lenient), (True, strict)):
        assert tuple(int(each[0]) for each in run(answers, true, scheme)) == expected
