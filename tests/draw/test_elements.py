"""Single weights ranked in pieces: the masks and the words of ranking them all at once."""

import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.draw import draw_omp, elements
from rtickets.draw.criteria.groups import of_groups
from rtickets.draw.criteria.weights import magnitude
from rtickets.draw.ranking import keep_best
from rtickets.draw.ties import check_scores_tell
from rtickets.errors import InputError
from rtickets.masks.ordered import real
from rtickets.masks.patterns import parse_pattern

ELEMENT = parse_pattern("element")
KINDS = ["float16", "float32", "float64", "bfloat16", "int8", "complex64"]


def at_once(layers, alive, scope, sparsity, absolute):
    """Return masks and words, or the error, of ranking everything together."""
    lines = []
    scores = magnitude(layers) if absolute else {p: real(p, x) for p, x in layers.items()}
    living = {path: np.where(alive[path], score, 0) for path, score in scores.items()}
    try:
        kept = keep_best(of_groups(living, ELEMENT, "l1"), alive, ELEMENT, scope, sparsity)
        check_scores_tell(kept, ELEMENT, lines.append)
    except InputError as error:
        return str(error)
    return {path: mask & alive[path] for path, mask in kept.masks.items()}, lines


def in_pieces(layers, alive, scope, sparsity, absolute):
    lines = []
    given = None if all(mask.all() for mask in alive.values()) else alive
    try:
        found = elements.keep_best_elements(
            layers, given, scope, sparsity, lines.append, absolute=absolute, squared=False
        )
    except InputError as error:
        return str(error)
    return found, lines


@st.composite
def networks(draw):
    layers, alive = {}, {}
    for number in range(draw(st.integers(1, 4))):
        shape = draw(st.tuples(*[st.integers(1, 5)] * draw(st.integers(1, 3))))
        generator = np.random.default_rng(draw(st.integers(0, 99)))
        values = generator.integers(-9, 9, shape) / draw(st.sampled_from([1, 2, 1000]))
        if draw(st.booleans()):
            values = generator.standard_normal(shape) * 10.0 ** draw(st.integers(-30, 30))
        kind = draw(st.sampled_from(KINDS))
        with np.errstate(over="ignore", invalid="ignore"):
            layer = values.astype(jnp.bfloat16 if kind == "bfloat16" else kind)
        turned = draw(st.booleans())
        layers[f"l{number}"] = layer.T if turned else layer
        mask = generator.random(shape) < draw(st.sampled_from([0.2, 0.8, 2]))
        alive[f"l{number}"] = mask.T if turned else mask
    return layers, alive


@given(
    networks(),
    st.sampled_from(["global", "uniform", "erk"]),
    st.floats(0, 0.99),
    st.booleans(),
    st.integers(1, 20),
)
@settings(max_examples=300, deadline=None)
def test_masks_words_and_errors_are_those_of_ranking_all_at_once(
    network, scope, sparsity, absolute, piece
):
    layers, alive = network
    absolute = absolute or any(np.iscomplexobj(layer) for layer in layers.values())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(elements, "_PIECE", piece)
        found = in_pieces(layers, alive, scope, sparsity, absolute)
    expected = at_once(layers, alive, scope, sparsity, absolute)
    if isinstance(expected, str):
        assert found == expected
        return
    assert found[1] == expected[1]
    for path, mask in expected[0].items():
        np.testing.assert_array_equal(found[0][path], mask)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=20), st.booleans())
def test_keys_have_the_order_of_scores_and_give_them_back(values, wide):
    scores = np.array(values, np.float64 if wide else np.float32)
    keys = elements._keys(scores)
    np.testing.assert_array_equal(keys[:, None] < keys, scores[:, None] < scores)
    assert [elements._score(key) for key in keys] == (scores + 0).tolist()


@pytest.mark.parametrize("kind", [np.float32, jnp.bfloat16])
def test_memory_beyond_the_weights_is_at_most_six_bytes_a_weight(kind):
    generator = np.random.default_rng(0)
    kernels = [generator.standard_normal((3, 3, 64, 2048)).astype(kind) for _ in range(6)]
    params = {f"layer{number}": {"kernel": kernel} for number, kernel in enumerate(kernels)}
    count = sum(kernel.size for kernel in kernels)
    tracemalloc.start()
    mask = draw_omp(params, 0.9, say=[].append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(int(layer["kernel"].sum()) for layer in mask.values()) == count - round(0.9 * count)
    assert peak <= 6 * count
