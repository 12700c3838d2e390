"""Maps of the loss around networks."""

import pytest

from rtickets.report.surfaces import draw_surfaces, surface_parts, surfaces_of_study

AT = (-1.0, 0.0, 1.0)


def points(*kinds):
    return [
        {"first": a, "second": b, **dict.fromkeys(kinds, 0.1 + a * a + 2 * b)}
        for a in AT
        for b in AT
    ]


@pytest.mark.parametrize("kinds", [("loss",), ("loss", "adversarial_loss")])
def test_a_panel_is_drawn_of_every_kind_of_loss(kinds):
    drawn = draw_surfaces({"": points(*kinds)})
    titles = [axes.get_title() for axes in drawn.axes if axes.get_title()]
    assert titles == ["clean", "under attack"][: len(kinds)]


def test_a_page_shows_the_maps_of_an_evaluation_and_nothing_else():
    tables = {"mine.surface": points("loss"), "other.bins": [{"examples": 3.0, "accuracy": 0.5}]}
    (part,) = surface_parts({"tables": tables})
    assert "mine.surface" in part
    assert "<img" in part
    assert surface_parts({}) == []


def test_a_study_shows_its_first_seed_ticket_by_ticket():
    tables = {"mine.surface": points("loss")}
    cell = {"transfer": "digits", "draw": "omp", "sparsity": 0.9, "tables": tables}
    cells = [
        {**cell, "seed": seed, "objective": objective}
        for seed in (3, 4)
        for objective in ("natural", "robust")
    ]
    ((key, drawn),) = surfaces_of_study(cells).items()
    assert key == ("digits", "mine.surface")
    titles = [axes.get_title() for axes in drawn.axes if axes.get_title()]
    assert len(titles) == 2
    assert titles[0].startswith("natural, omp")
