"""BERT: its sizes, and that texts are found to be the same whatever lies beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import draw_omp, masks, models
from rtickets.config import EncoderConfig, ModelConfig
from rtickets.costs.network_costs import network_cost
from rtickets.errors import InputError
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.prunable import prunable_leaves
from rtickets.models.bert import positions
from rtickets.models.heads.text import PlacesHead, TextHead, WordsHead
from rtickets.models.inputs import Input
from rtickets.settings import config_files

TINY = EncoderConfig(layers=2, hidden=16, heads=4, vocabulary=50, positions=24)


def inputs(length, vocabulary=0):
    return (
        Input("tokens", (length,), "int32", vocabulary),
        Input("part", (length,), "uint8"),
        Input("segment", (length,), "uint8"),
    )


def texts(*lengths, row=12):
    """Return rows of single texts of these lengths, the same tokens whatever the row."""
    drawn = np.random.default_rng(0).integers(5, 50, (len(lengths), 24))[:, :row]
    part = (np.arange(row) < np.array(lengths)[:, None]).astype(np.uint8)
    segment = ((np.arange(row) > 3) & (part > 0)).astype(np.uint8)
    return {"tokens": (drawn * part).astype(np.int32), "part": part, "segment": segment}


def network(make_head=TextHead, width=3, config=TINY, precision="float32"):
    model = models.from_config(
        ModelConfig(arch="bert", encoder=config, precision=precision), width, make_head=make_head
    )
    return model, models.initialise(model, jax.random.key(0), inputs(12, 50))[0]


def test_base_has_the_published_sizes():
    model = models.from_config(ModelConfig(arch="bert"), 2)
    shapes = jax.eval_shape(model.init, jax.random.key(0), models.placeholders(inputs(8), 1))
    params = shapes["params"]
    kernels = prunable_leaves(params)
    assert len(kernels) == 73
    assert sum(kernel.size for kernel in kernels.values()) == 85_524_480
    head = 768 * 2 + 2
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 109_482_240 + head
    assert {layout.roles for layout in layouts_of(params, kernels).values()} == {"io"}
    assert not any("embedding" in path or "head" in path for path in kernels)


def test_what_base_costs_is_as_counted_by_hand():
    length, hidden, layers = 128, 768, 12
    cost = network_cost(ModelConfig(arch="bert"), 2, inputs(length))
    maps = 2 * length * layers * (4 * hidden**2 + 2 * hidden * 4 * hidden)
    attention = layers * 2 * 2 * length**2 * hidden
    assert cost.forward == pytest.approx(maps + attention + 2 * hidden**2, rel=0.05)
    assert cost.prunable == 85_524_480


def test_patterns_mean_inputs_and_outputs():
    _, params = network()
    mask = draw_omp(params, sparsity=0.5, pattern="2:4")
    kernel = mask["layer1"]["attention"]["query"]["kernel"]
    assert (kernel.reshape(4, 4, -1).sum(1) == 2).all()
    erk = draw_omp(params, sparsity=0.5, scope="erk")
    assert masks.sparsity(erk) == pytest.approx(0.5, abs=1e-3)
    assert erk["word_embeddings"]["embedding"].shape == ()


def test_positions_begin_anew_in_every_text():
    part = jnp.array([[1, 1, 1, 2, 2, 0, 0], [1, 1, 2, 3, 3, 3, 3]])
    expected = [[0, 1, 2, 0, 1, 0, 1], [0, 1, 0, 0, 1, 2, 3]]
    np.testing.assert_array_equal(positions(part), expected)


@pytest.mark.parametrize("head", [TextHead, PlacesHead])
def test_padding_changes_nothing(head):
    model, params = network(head)
    short, long = texts(6, row=6), texts(6, row=12)
    found = [models.logits(model, params, {}, each) for each in (short, long)]
    others = dict(long, tokens=np.where(long["part"] > 0, long["tokens"], 7))
    again = models.logits(model, params, {}, others)
    if head is PlacesHead:
        assert found[1].shape == (1, 12, 3)
        found[1], again = found[1][:, :6], again[:, :6]
    np.testing.assert_allclose(*found, atol=1e-6)
    np.testing.assert_allclose(found[0], again, atol=1e-6)


def test_packed_texts_are_found_as_alone():
    model, params = network(WordsHead, 50)
    one, other = texts(5, row=5), texts(5, 7, row=7)
    other = {name: each[1:] for name, each in other.items()}
    packed = {name: np.concatenate([one[name], other[name]], 1) for name in one}
    packed["part"] = np.repeat([1, 2], [5, 7])[None].astype(np.uint8)
    whole = models.logits(model, params, {}, packed)
    assert whole.shape == (1, 12, 50)
    assert whole.dtype == jnp.float32
    for place, each in ((np.s_[:, :5], one), (np.s_[:, 5:], other)):
        np.testing.assert_allclose(whole[place], models.logits(model, params, {}, each), atol=1e-5)


def test_the_head_of_words_shares_the_embeddings():
    model, params = network(WordsHead, 50)
    x = texts(6)
    assert set(params["head"]) == {"transform", "norm", "bias"}
    table = params["word_embeddings"]["embedding"]
    moved = {**params, "word_embeddings": {"embedding": table.at[3].multiply(-5.0)}}
    unread = jnp.where(x["tokens"] == 3, 4, x["tokens"])  # what is read stays the same
    both = [models.logits(model, p, {}, {**x, "tokens": unread}) for p in (params, moved)]
    changed = np.abs(both[1] - both[0]).max((0, 1))
    assert changed[3] > 1e-3
    assert np.delete(changed, 3).max() == 0


def test_dropout_draws_by_the_keys_of_examples_in_training_alone():
    model, params = network()
    x, keys = texts(6, 9, 12), jax.random.split(jax.random.key(1), 3)
    assert models.draws(model)
    clean = models.apply(model, params, {}, x)[0]
    np.testing.assert_array_equal(models.apply(model, params, {}, x, True, None)[0], clean)
    dropped = models.apply(model, params, {}, x, True, keys)[0]
    assert np.abs(dropped - clean).min() > 0
    alone = jax.tree.map(lambda leaf: leaf[1:2], x)
    own = models.apply(model, params, {}, alone, True, keys[1:2])[0]
    np.testing.assert_allclose(own, dropped[1:2], atol=1e-6)
    without = config_files.replace(TINY, dropout=0.0, attention_dropout=0.0)
    assert not models.draws(network(config=without)[0])


def test_bfloat16_is_close():
    exact, params = network(WordsHead, 50)
    rough, _ = network(WordsHead, 50, precision="bfloat16")
    x = texts(6, 12)
    outputs = [models.logits(each, params, {}, x) for each in (exact, rough)]
    assert outputs[1].dtype == jnp.float32
    np.testing.assert_allclose(*outputs, atol=0.05)
    assert np.abs(outputs[1] - outputs[0]).max() > 0


@pytest.mark.parametrize(
    ("seen", "named"),
    [
        (inputs(30), ("30", "positions=24", "data.text.length")),
        (inputs(8, 60), ("vocabulary=50", "60")),
        ((Input("image", (8, 8, 1)),), ("image", "tokens", "model.arch")),
    ],
)
def test_what_it_cannot_be_called_with_is_refused(seen, named):
    model, _ = network()
    with pytest.raises(InputError) as caught:
        models.initialise(model, jax.random.key(0), seen)
    assert all(each in str(caught.value) for each in named)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"arch": "bert", "width": 0.5}, "width=0.5"),
        ({"arch": "resnet18", "encoder": {"layers": 2}}, "encoder"),
        ({"arch": "bert", "encoder": {"hidden": 10, "heads": 3}}, "heads=3"),
        ({"arch": "bert", "activation": "relu"}, "GELU"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings, named):
    with pytest.raises(InputError, match=named):
        config_files.parse(ModelConfig, settings)


def test_a_configuration_without_an_encoder_is_stored_as_before():
    assert "encoder" not in config_files.to_dict(ModelConfig())
    stored = config_files.to_dict(ModelConfig(arch="bert", encoder=TINY))
    assert config_files.parse(ModelConfig, stored).encoder == TINY
