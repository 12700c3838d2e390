import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rtickets.report.curves import draw_curves
from rtickets.report.style import png


def plot_curves(table, metric):
    return png(draw_curves(table, metric))


def row(objective, sparsity, mean, draw="omp", transfer="finetune", std=0.02, metric="clean"):
    return {
        "metric": metric,
        "title": "accuracy" if metric == "clean" else f"accuracy under {metric}",
        "unit": "share",
        "higher_is_better": True,
        "detail": False,
        "transfer": transfer,
        "draw": draw,
        "sparsity": sparsity,
        "remaining": 1 - sparsity,
        "objective": objective,
        "mean": mean,
        "std": std,
    }


TABLE = [
    row(objective, sparsity, 0.9 - sparsity / 10 + bonus, draw)
    for objective, bonus in (("natural", 0.0), ("robust", 0.05))
    for draw, sparsity in (("dense", 0.0), ("omp", 0.9), ("omp", 0.5), ("omp", 0.98))
]


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


def panels(figure):
    return [panel for panel in figure.axes if panel.get_visible()]


def curves(panel):
    """The points of every curve by its label."""
    return {
        container.get_label(): np.stack(container.lines[0].get_data(orig=False), -1)
        for container in panel.containers
    }


def test_a_picture_is_a_png():
    picture = plot_curves(TABLE, "clean")
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    image = Image.open(io.BytesIO(picture))
    assert np.unique(np.asarray(image)).size > 2
    assert "Software" not in image.info


def test_a_picture_is_the_same_on_every_run():
    assert plot_curves(TABLE, "clean") == plot_curves(TABLE, "clean")


def test_curves_are_in_percent_and_sorted_by_remaining_weights(figures):
    plot_curves(TABLE, "clean")
    found = curves(panels(figures[0])[0])
    assert list(found) == ["natural", "robust"]
    np.testing.assert_allclose(found["natural"], [[2, 80.2], [10, 81], [50, 85]])
    np.testing.assert_allclose(found["robust"], [[2, 85.2], [10, 86], [50, 90]])


def test_dense_networks_are_lines_in_their_colour(figures):
    plot_curves(TABLE, "clean")
    panel = panels(figures[0])[0]
    dashed = {
        line.get_color(): line.get_ydata()[0]
        for line in panel.lines
        if line.get_linestyle() == "--"
    }
    colours = [container.lines[0].get_color() for container in panel.containers]
    assert len(set(colours)) == 2
    assert dashed == pytest.approx(dict(zip(colours, [90, 95], strict=True)))


def test_ways_of_drawing_are_in_the_legend_when_there_are_several(figures):
    plot_curves([*TABLE, row("natural", 0.9, 0.7, "imp")], "clean")
    texts = [text.get_text() for text in panels(figures[0])[0].get_legend().get_texts()]
    assert {"natural, omp", "natural, imp", "robust, omp"} <= set(texts)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_every_transfer_has_a_panel(figures, count):
    names = [f"task{number}" for number in range(count)]
    plot_curves([row("natural", s, 0.8, transfer=t) for t in names for s in (0.5, 0.9)], "clean")
    assert [panel.get_title() for panel in panels(figures[0])] == names


@pytest.mark.parametrize(
    ("metric", "label"),
    [("clean", "test accuracy (%)"), ("pgd20", "test accuracy under pgd20 (%)")],
)
def test_only_the_rows_of_the_metric_are_drawn_and_named(figures, metric, label):
    table = [
        *TABLE,
        *(
            {**r, "metric": "pgd20", "title": "accuracy under pgd20", "mean": r["mean"] / 2}
            for r in TABLE
        ),
    ]
    plot_curves(table, metric)
    assert figures[0].get_supylabel() == label
    top = {"clean": 90, "pgd20": 45}[metric]
    assert curves(panels(figures[0])[0])["robust"][-1, 1] == pytest.approx(top)


def test_remaining_weights_are_labelled_where_there_is_room(figures):
    ladder = [0.5, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99]
    plot_curves([row("natural", sparsity, 0.8) for sparsity in ladder], "clean")
    panel = panels(figures[0])[0]
    assert panel.get_xscale() == "log"
    np.testing.assert_allclose(panel.get_xticks(), [1, 2, 5, 10, 20, 40])
    assert [text.get_text() for text in panel.get_xticklabels()] == [
        "1",
        "2",
        "5",
        "10",
        "20",
        "40",
    ]


def test_one_point_of_one_seed_is_a_picture(figures):
    plot_curves([row("natural", 0.9, 0.8, std=None)], "clean")
    np.testing.assert_allclose(curves(panels(figures[0])[0])["natural"], [[10, 80]])


def test_more_objectives_than_colours_are_all_drawn(figures):
    names = [f"objective{number}" for number in range(9)]
    plot_curves([row(name, 0.9, 0.8) for name in names], "clean")
    assert list(curves(panels(figures[0])[0])) == names
