from html.parser import HTMLParser

import numpy as np
import pytest

import rtickets
from rtickets.attacks.ensemble.outcome import Row, WorstCase
from rtickets.platform.short_html import short_table

EVIL = "<script>alert(1)</script>&\"'"


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        assert attributes == []

    def handle_data(self, data):
        self.texts.append(data)


def test_a_table_is_text_and_short():
    reader = Reader(short_table(EVIL, [EVIL], [(EVIL,)] * 25))
    assert reader.tags == {"p", "table", "tr", "th", "td"}
    assert reader.texts.count(EVIL) == 22
    assert reader.texts[-1] == "and 5 more"
    assert Reader(short_table("t", ["n"], [(12345,)])).texts == ["t", "n", "12,345"]


def ticket(name="stem"):
    params = {name: {"kernel": np.arange(1.0, 101.0).reshape(10, 10)}, "head": {"bias": np.ones(3)}}
    mask = rtickets.draw_omp(params, sparsity=0.75)
    return rtickets.Ticket(mask, params, meta={"history": [{"stage": EVIL}]})


def test_a_ticket_and_what_is_counted_of_a_mask_show_their_leaves():
    own = ticket()
    summary = rtickets.masks.summary(own.mask, own.params)
    assert repr(summary) == (
        "Summary(25 of 100 prunable weights in 1 leaves, sparsity 0.75; 28 of 103 parameters)"
    )
    for shown in (own, summary):
        texts = Reader(shown._repr_html_()).texts
        assert texts[-4:] == ["stem/kernel", "25", "100", "0.75"]


@pytest.mark.parametrize("name", [EVIL, "a\x1b[2Jb"])
def test_names_in_tickets_of_others_are_text(name):
    text = ticket(name)._repr_html_()
    assert "\x1b" not in text
    assert Reader(text).tags == {"p", "table", "tr", "th", "td"}


def test_the_outcome_of_an_ensemble_shows_its_attacks():
    rows = (Row("apgd_ce", 8, 3, 0.5, 800, 1.25, EVIL),)
    correct = np.array([True] * 8 + [False] * 2)
    fooled = np.array(["apgd_ce"] * 3 + [""] * 7, object)
    images = np.zeros((10, 2, 2, 1), np.float32)
    found = WorstCase(images, correct, fooled, rows, correct, ~correct)
    texts = Reader(found._repr_html_()).texts
    assert "10 examples, 80.0% right" in texts[0]
    assert "50.0% under all" in texts[0]
    assert texts[-7:] == ["apgd_ce", "8", "3", "50.0%", "800", "1.2", EVIL]
    none = WorstCase(images[:0], correct[:0], fooled[:0], (), correct[:0], correct[:0])
    assert "no examples" in none._repr_html_()
