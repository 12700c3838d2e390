import io
import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rtickets import draw_omp
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.report import ticket_pictures
from rtickets.report.ticket_pictures import (
    first_convolution,
    plot_kernels,
    plot_layer_overlap,
    plot_overlap,
    plot_sparsity,
    write_pictures,
)


def make_ticket(keep, weights=None, path="stem"):
    keep = np.asarray(keep, bool)
    weights = np.ones(keep.shape, np.float32) if weights is None else np.asarray(weights)
    bias = np.zeros(keep.shape[-1], np.float32)  # tells that it is a convolution, whatever its size
    mask = {path: {"kernel": keep, "bias": np.ones((), bool)}}
    return Ticket(mask, {path: {"kernel": np.where(keep, weights, 0), "bias": bias}})


def drawn(shape, sparsity=0.5, pattern="element", seed=0):
    weights = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    params = {"stem": {"kernel": weights, "bias": np.zeros(shape[-1], np.float32)}}
    return Ticket(draw_omp(params, sparsity, pattern=pattern), params)


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


def check_png(picture):
    image = Image.open(io.BytesIO(picture))
    image.load()
    assert (image.format, "Software" in image.info) == ("PNG", False)
    assert 100 < min(image.size) <= max(image.size) < 4000
    assert any(low < high for low, high in image.convert("RGB").getextrema())
    return image


def texts(labels):
    return [label.get_text() for label in labels]


@pytest.mark.parametrize(
    "draw",
    [
        lambda a, b: plot_sparsity({"a": a.mask, "b": b.mask}),
        lambda a, b: plot_overlap({"a": a.mask, "b": b.mask, "c": a.mask}),
        plot_layer_overlap,
        lambda a, b: plot_kernels(a),
    ],
)
def test_pictures_are_pngs_and_the_same_on_every_run(draw):
    a, b = drawn((3, 3, 3, 8)), drawn((3, 3, 3, 8), seed=1)
    check_png(draw(a, b))
    assert draw(a, b) == draw(a, b)


def test_every_layer_and_ticket_has_its_bar(figures):
    first = {"a": np.array([True, False, False, False]), "b": np.array([True, False])}
    second = {"b": np.zeros(2, bool), "c": np.ones(3, bool), "bias": np.ones((), bool)}
    check_png(plot_sparsity({"one": first, "two": second}))
    (panel,) = figures[0].axes
    assert texts(panel.get_yticklabels()) == ["a", "b", "c"]
    bars = {bars.get_label(): bars for bars in panel.containers}
    assert [bar.get_width() for bar in bars["one"]] == [0.75, 0.5]
    assert [bar.get_width() for bar in bars["two"]] == [1, 0]
    rows = {name: [round(b.get_y() + b.get_height() / 2) for b in bars[name]] for name in bars}
    assert rows == {"one": [0, 1], "two": [1, 2]}
    assert texts(figures[0].legends[0].get_texts()) == ["one", "two"]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_bars_of_a_layer_do_not_overlap(figures, count):
    plot_sparsity({str(seed): drawn((4, 5), seed=seed).mask for seed in range(count)})
    (panel,) = figures[0].axes
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for (bar,) in panel.containers]
    assert len(ends) == count
    assert all(low >= high - 1e-9 for (_, high), (low, _) in itertools.pairwise(ends))
    assert (ends[0][0], ends[-1][1]) == pytest.approx((-0.4, 0.4))


def test_without_prunable_layers_there_is_nothing_to_draw():
    with pytest.raises(InputError, match="no prunable layers"):
        plot_sparsity({"a": {"kernel": np.ones((), bool)}})


def test_the_matrix_has_the_overlap_of_every_two(figures):
    keeps = {"a": [1, 1, 0, 0], "b": [0, 1, 1, 0], "c": [1, 1, 1, 1]}
    check_png(plot_overlap({name: {"k": np.array(keep, bool)} for name, keep in keeps.items()}))
    (panel,) = figures[0].axes
    expected = [[1, 1 / 3, 0.5], [1 / 3, 1, 0.5], [0.5, 0.5, 1]]
    np.testing.assert_allclose(panel.images[0].get_array(), expected)
    assert texts(panel.texts)[:3] == ["1.00", "0.33", "0.50"]
    assert texts(panel.get_xticklabels()) == texts(panel.get_yticklabels()) == list(keeps)


def test_overlap_per_layer_is_drawn_beside_chance(figures):
    masks = [
        {"a": np.array([1, 1, 0, 0], bool), "b": np.array([1, 0], bool)},
        {"a": np.array([1, 1, 0, 0], bool), "b": np.array([0, 1], bool)},
    ]
    params = {"a": np.ones(4, np.float32), "b": np.ones(2, np.float32)}
    check_png(plot_layer_overlap(*(Ticket(mask, params) for mask in masks)))
    (panel,) = figures[0].axes
    np.testing.assert_allclose(
        panel.images[0].get_array(), [[1, 1 / 3], [0, 1 / 3], [0.5, 1.5 / 4.5]]
    )
    assert texts(panel.get_yticklabels()) == ["a", "b", "all"]


def test_masks_of_different_networks_have_no_overlap_to_draw():
    with pytest.raises(InputError, match="different networks"):
        plot_overlap({"a": drawn((2, 3)).mask, "b": drawn((3, 2)).mask})
    with pytest.raises(InputError, match="different networks"):
        plot_layer_overlap(drawn((2, 3)), drawn((3, 2)))


def drawing(figure):
    """Return colours, and the positions (row, column) of crosses and of dots."""
    (panel,) = figure.axes
    crosses, dots = (
        sorted(zip(line.get_ydata().tolist(), line.get_xdata().tolist(), strict=True))
        for line in panel.lines
    )
    return np.asarray(panel.images[0].get_array()), crosses, dots


def test_grey_kernels_lie_in_a_square(figures):
    weights = np.array([[4, 1, -2], [-4, 3, 2]], np.float32).reshape(1, 2, 1, 3)
    keep = np.ones((1, 2, 1, 3), bool)
    keep[0, 1, 0, 1] = False
    check_png(plot_kernels(make_ticket(keep, weights)))
    colors, crosses, dots = drawing(figures[0])
    pruned = ticket_pictures._PRUNED
    white, grey = (1.0,) * 3, lambda weight: (0.5 + weight / 8,) * 3
    expected = [
        [grey(4), grey(-4), white, grey(1), pruned],
        [white] * 5,
        [grey(-2), grey(2), white, white, white],
    ]
    np.testing.assert_allclose(colors, expected, rtol=1e-6)
    assert (crosses, dots) == ([(0, 4)], [])


def test_three_inputs_are_colours_and_a_dot_marks_what_is_pruned_in_part(figures):
    weights = np.array([[1, -1, 0.5], [1, 1, 1], [1, 1, 1]], np.float32).reshape(1, 3, 3, 1)
    keep = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 1]], bool).reshape(1, 3, 3, 1)
    check_png(plot_kernels(make_ticket(keep, weights)))
    colors, crosses, dots = drawing(figures[0])
    expected = [[[1, 0, 0.75], ticket_pictures._PRUNED, [1, 0.5, 1]]]
    np.testing.assert_allclose(colors, expected, rtol=1e-6)
    assert (crosses, dots) == ([(0, 1)], [(0, 2)])


@pytest.mark.parametrize("inputs", [2, 5])
def test_of_other_inputs_the_first_is_drawn(figures, inputs):
    weights = np.ones((1, 2, inputs, 1), np.float32)
    weights[..., 1:, :] = 100
    keep = np.ones((1, 2, inputs, 1), bool)
    keep[0, 0, 1] = keep[0, 1, 0] = False
    plot_kernels(make_ticket(keep, weights))
    colors, crosses, dots = drawing(figures[0])
    np.testing.assert_allclose(colors, [[[1, 1, 1], ticket_pictures._PRUNED]], rtol=1e-6)
    assert (crosses, dots) == ([(0, 1)], [])


@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1, 1), (3, 3, 1, 4), (7, 7, 3, 64), (3, 3, 16, 10), (5, 2, 3, 7), (9, 9, 1, 300)],
)
@pytest.mark.parametrize("state", ["dense", "half", "pruned"])
def test_kernels_of_any_shape_are_a_picture_of_bounded_size(figures, shape, state):
    generator = np.random.default_rng(0)
    keep = generator.random(shape) < {"dense": 1, "half": 0.5, "pruned": 0}[state]
    check_png(plot_kernels(make_ticket(keep, generator.standard_normal(shape))))
    colors, crosses, dots = drawing(figures[0])
    assert 0 <= colors.min() <= colors.max() <= 1
    positions = np.prod(shape[:2]) * shape[3]
    assert len(crosses) == {"dense": 0, "pruned": positions}.get(state, len(crosses))
    assert len(crosses) < positions or state == "pruned" or positions == 1
    assert bool(dots) == (state == "half" and shape[2] == 3)


def test_weights_that_live_outside_the_mask_are_not_drawn(figures):
    keep = np.array([[True, False], [True, True]]).reshape(2, 2, 1, 1)
    weights = np.array([[1, 50], [1, 1]], np.float32).reshape(2, 2, 1, 1)
    plot_kernels(Ticket({"k": keep}, {"k": weights}))
    np.testing.assert_allclose(drawing(figures[0])[0][0, 0], 1)


def test_a_kernel_that_is_not_prunable_is_drawn_whole(figures):
    ticket = Ticket({"stem": np.ones((), bool)}, {"stem": np.ones((2, 2, 1, 1), np.float32)})
    plot_kernels(ticket)
    assert drawing(figures[0])[1:] == ([], [])


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"a": (3, 3, 8, 8), "stem_conv": (3, 3, 8, 8), "z": (1, 1, 4, 4)}, "stem_conv"),
        ({"a": (3, 3, 8, 8), "b": (3, 3, 3, 8), "c": (3, 3, 3, 8)}, "b"),
        ({"a": (8, 8), "b": (3, 8, 8), "c": (3, 3, 3, 8, 8)}, None),
    ],
)
def test_the_first_convolution_is_found(shapes, expected):
    params = {path: np.ones(shape, np.float32) for path, shape in shapes.items()}
    mask = {path: np.ones(shape, bool) for path, shape in shapes.items()}
    assert first_convolution(Ticket(mask, params)) == expected


def test_the_stem_of_a_network_is_its_first_convolution(tiny):
    assert first_convolution(Ticket(tiny.mask, tiny.params)) == "stem_conv/kernel"


@pytest.mark.parametrize("path", [None, "nowhere", "stem/kernel"])
def test_what_is_no_convolution_is_named(path):
    with pytest.raises(InputError, match=f"path={path!r}"):
        plot_kernels(drawn((4, 4)), path)


@pytest.mark.parametrize(
    ("shape", "count", "names"),
    [
        ((3, 3, 1, 2), 1, ["kernels", "sparsity"]),
        ((4, 4), 1, ["sparsity"]),
        ((4, 4), 2, ["overlap", "sparsity"]),
        ((4, 4), 3, ["overlap", "sparsity"]),
    ],
)
def test_pictures_are_written_as_files(tmp_path, shape, count, names):
    tickets = {str(seed): drawn(shape, seed=seed) for seed in range(count)}
    files = write_pictures(tmp_path / "new" / "folder", tickets)
    assert sorted(files) == sorted((tmp_path / "new" / "folder").iterdir())
    assert sorted(file.stem for file in files) == names
    for file in files:
        check_png(file.read_bytes())


@pytest.mark.parametrize("name", ["$x^$", "$", "日本", "a\nb\x1b[2J", "x" * 5000, "_", "{}%s"])
def test_names_of_layers_may_be_anything(name):
    ticket = make_ticket(np.ones((3, 3, 1, 4)), path=name)
    for picture in (
        plot_sparsity({name: ticket.mask}),
        plot_overlap({name: ticket.mask, "other": ticket.mask}),
        plot_layer_overlap(ticket, ticket),
        plot_kernels(ticket),
    ):
        check_png(picture)
