import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rtickets.report.over_seeds import Spread
from rtickets.report.radii import CERTIFIED, Line, draw_radii, radius_curves
from rtickets.report.style import png
from rtickets.tasks import Classification, Headline

ACCURACY = Classification().headline


def plot_radii(lines, label, headline=ACCURACY):
    return png(draw_radii(lines, label, {line.transfer: headline for line in lines}))


def point(radius, value, name="eps"):
    return {name: radius, "value": value}


def cell(seed, curve, certified=None, objective="robust", draw="omp", sparsity=0.9):
    measured = {
        "seed": seed,
        "transfer": "finetune",
        "objective": objective,
        "draw": draw,
        "sparsity": sparsity,
        "attacks": {"pgd": {"value": 0.5, "curve": [point(*pair) for pair in curve]}},
    }
    if certified is not None:
        measured["certified"] = {"curve": [point(*pair, "radius") for pair in certified]}
    return measured


LINE = Line("finetune", "robust", "omp", 0.9)


def line(*means, transfer="finetune", objective="robust", draw="omp", sparsity=0.9, std=0.0):
    radii = (0.0, 0.1, 0.2)
    spreads = {r: Spread(mean, std, 2) for r, mean in zip(radii, means, strict=False)}
    return {Line(transfer, objective, draw, sparsity): spreads}


# --- the numbers ----------------------------------------------------------------------------------


def test_the_spread_over_seeds_by_hand():
    cells = [
        cell(0, [(0.0, 0.8), (0.1, 0.5)], [(0.0, 0.6), (0.25, 0.2)]),
        cell(1, [(0.0, 0.9), (0.1, 0.3)], [(0.0, 0.4), (0.25, 0.2)]),
    ]
    found = radius_curves(cells)
    assert list(found) == ["pgd", CERTIFIED]
    assert list(found["pgd"]) == [LINE]
    np.testing.assert_allclose(
        [(r, *spread) for r, spread in found["pgd"][LINE].items()],
        [(0.0, 0.85, 0.05 * math.sqrt(2), 2), (0.1, 0.4, 0.1 * math.sqrt(2), 2)],
    )
    np.testing.assert_allclose(
        [(r, *spread) for r, spread in found[CERTIFIED][LINE].items()],
        [(0.0, 0.5, 0.1 * math.sqrt(2), 2), (0.25, 0.2, 0.0, 2)],
    )


def test_one_seed_has_no_deviation_and_radii_are_sorted():
    (curve,) = radius_curves([cell(0, [(0.2, 0.1), (0.0, 0.9)])])["pgd"].values()
    assert list(curve) == [0.0, 0.2]
    assert [(spread.mean, spread.seeds) for spread in curve.values()] == [(0.9, 1), (0.1, 1)]
    assert math.isnan(curve[0.0].std)


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [cell(0, [(0.1, 0.5)])],
        [cell(0, [], [(0.0, 0.5)])],
        [{**cell(0, []), "attacks": {"old": {"value": 0.5}}}],
        [{**cell(0, []), "attacks": {}}],
    ],
    ids=["none", "one radius", "one certified radius", "no curve", "no attack"],
)
def test_what_was_measured_at_one_radius_has_no_curve(cells):
    assert radius_curves(cells) == {}


def test_lines_differ_by_objective_draw_and_sparsity_but_not_by_seed():
    pair = [(0.0, 0.5), (0.1, 0.4)]
    cells = [
        cell(seed, pair, objective=objective, draw=draw, sparsity=sparsity)
        for seed in (0, 1)
        for objective in ("natural", "robust")
        for draw, sparsity in (("dense", 0.0), ("omp", 0.5), ("omp", 0.9))
    ]
    lines = radius_curves(cells)["pgd"]
    assert len(lines) == 6
    assert {spread.seeds for curve in lines.values() for spread in curve.values()} == {2}


# --- the picture ----------------------------------------------------------------------------------


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved."""
    saved = []
    savefig = Figure.savefig

    def save(figure, *arguments, **options):
        saved.append(figure)
        savefig(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", save)
    return saved


def drawn(figure):
    """The points of every curve of the first panel by its label."""
    return {
        container.get_label(): np.stack(container.lines[0].get_data(orig=False), -1)
        for container in figure.axes[0].containers
    }


def test_a_picture_is_a_png_with_something_on_it():
    picture = plot_radii(line(0.8, 0.5, 0.2), "pgd")
    image = Image.open(io.BytesIO(picture))
    assert image.format == "PNG"
    assert np.unique(np.asarray(image.convert("L"))).size > 10
    assert "Software" not in image.info
    assert plot_radii(line(0.8, 0.5, 0.2), "pgd") == picture
    assert plot_radii(line(0.8, 0.5, 0.1), "pgd") != picture


def test_dense_networks_and_the_sparsest_tickets_are_drawn_in_percent(figures):
    lines = (
        line(0.9, 0.6, draw="dense", sparsity=0.0)
        | line(0.8, 0.5, sparsity=0.5)
        | line(0.7, 0.4, sparsity=0.98)
        | line(0.75, 0.1, objective="natural", sparsity=0.98)
    )
    plot_radii(lines, "pgd")
    found = drawn(figures[0])
    assert list(found) == ["robust, dense", "robust, omp 2%", "natural, omp 2%"]
    np.testing.assert_allclose(found["robust, omp 2%"], [[0, 70], [0.1, 40]])
    assert figures[0].get_supylabel() == "accuracy under pgd (%)"
    assert figures[0].get_supxlabel() == "radius (pixels in [0, 1])"


def test_no_two_curves_look_the_same(figures):
    lines = (
        line(0.9, 0.6, draw="dense", sparsity=0.0)
        | line(0.7, 0.4)
        | line(0.6, 0.3, draw="imp")
        | line(0.8, 0.2, objective="natural")
        | line(0.9, 0.1, objective="natural", draw="dense", sparsity=0.0)
    )
    plot_radii(lines, "pgd")
    looks = {
        (curve.get_color(), curve.get_linestyle(), curve.get_marker())
        for curve in (container.lines[0] for container in figures[0].axes[0].containers)
    }
    assert len(looks) == 5


def test_certified_accuracy_is_named(figures):
    plot_radii(line(0.8, 0.5), CERTIFIED)
    assert figures[0].get_supylabel() == "certified accuracy (%)"


def test_values_are_in_the_unit_of_the_headline(figures):
    plot_radii(line(0.8, 0.5), "pgd", Headline("distance", "px", higher_is_better=False))
    np.testing.assert_allclose(drawn(figures[0])["robust, omp 10%"], [[0, 0.8], [0.1, 0.5]])
    assert figures[0].get_supylabel() == "distance under pgd (px)"


def test_one_seed_is_a_picture_without_deviations(figures):
    curve = {LINE: {0.0: Spread(0.5, math.nan, 1), 0.1: Spread(0.25, math.nan, 1)}}
    plot_radii(curve, "pgd")
    np.testing.assert_allclose(drawn(figures[0])["robust, omp 10%"], [[0, 50], [0.1, 25]])


@pytest.mark.parametrize("count", [1, 3, 4])
def test_every_transfer_has_a_panel(figures, count):
    names = [f"task{number}" for number in range(count)]
    lines = {key: curve for name in names for key, curve in line(0.8, 0.5, transfer=name).items()}
    plot_radii(lines, "pgd")
    shown = [panel for panel in figures[0].axes if panel.get_visible()]
    assert [panel.get_title() for panel in shown] == names
