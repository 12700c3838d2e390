"""Smaller networks answer as the masked ones, whatever the architecture and the channels."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets import Ticket, compact, masks, models
from rtickets.config import ModelConfig
from rtickets.models import ARCHITECTURES
from rtickets.models.inputs import Input
from rtickets.models.resnet import BasicBlock
from rtickets.settings import config_files
from rtickets.tickets import provenance
from rtickets.tickets.compaction.network import examples_of
from rtickets.tickets.compaction.plan import make_plan
from rtickets.tickets.compaction.trace import trace

QUICK = {"resnet18", "preact_resnet18"}
OF_IMAGES = [arch for arch, entry in ARCHITECTURES.items() if entry.images]


def random_ticket(arch, width=1 / 16, shape=(32, 32, 3), sparsity=0.5, seed=0, **model):
    """Return a ticket of a network with random weights, statistics and dead channels."""
    config = config_files.parse(ModelConfig, {"arch": arch, "width": width, **model})
    meta = {
        "model": config_files.to_dict(config), "class_names": list("abcde"), "mean": [0.4] * 3,
        "std": [0.2] * 3, "image_shape": list(shape), "history": [{"stage": "pretrain"}],
    }  # fmt: skip
    network = provenance.build_model(meta)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *shape)))
    generator = np.random.default_rng(seed)

    def drawn(path, leaf):
        values = generator.normal(size=leaf.shape)
        if path.endswith("kernel"):
            values *= (2 / np.prod(leaf.shape[:-1])) ** 0.5
        elif path.endswith(("var", "scale")):
            values = 0.5 + abs(values)
        return values.astype(np.float32)

    def living(path, leaf):
        if not path.endswith("kernel") or path.startswith("head"):
            return np.ones((), bool)
        keep = np.ones(leaf.shape, bool)
        keep[..., generator.random(leaf.shape[-1]) < sparsity] = False
        return keep

    tree = {name: _mapped(drawn, each) for name, each in shapes.items()}
    mask = _mapped(living, shapes["params"])
    return Ticket(mask, tree["params"], tree.get("batch_stats", {}), meta)


def _mapped(function, tree):
    leaves = [function(path, leaf) for path, leaf in masks.leaf_paths(tree).items()]
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def logits(ticket, x):
    model = provenance.build_model(ticket.meta)
    params = masks.apply(ticket.mask, ticket.params)
    return np.asarray(models.logits(model, params, ticket.batch_stats, x))


def images(count=3, shape=(32, 32, 3), seed=5):
    return jax.random.uniform(jax.random.key(seed), (count, *shape))


@pytest.mark.parametrize(
    "arch",
    [pytest.param(arch, marks=[pytest.mark.slow] * (arch not in QUICK)) for arch in OF_IMAGES],
)
def test_every_architecture_answers_the_same_without_its_dead_channels(arch):
    ticket = random_ticket(arch, width=1 / 16 if arch.startswith(("res", "pre", "wide")) else 1 / 8)
    found = compact(ticket)
    before, after = found.report["parameters"]
    assert after < 0.75 * before
    assert found.report["multiply_adds"][1] < found.report["multiply_adds"][0]
    assert found.report["max_difference"] <= 1e-5 * found.report["largest_output"]


@pytest.mark.parametrize(("seed", "sparsity"), [(1, 0.9), (2, 0.2), (3, 1.0)])
def test_any_channels_may_be_dead_even_all(tiny, seed, sparsity):
    ticket = random_ticket(tiny, 1, (8, 8, 3), sparsity, seed, stem="small")
    found = compact(ticket)
    x = images(3, (8, 8, 3))
    expected = logits(ticket, x)
    np.testing.assert_allclose(
        logits(found.ticket, x), expected, rtol=0, atol=1e-5 * abs(expected).max()
    )
    larger = images(2, (13, 11, 3))  # what is known holds for all larger images, borders too
    expected = logits(ticket, larger)
    np.testing.assert_allclose(
        logits(found.ticket, larger), expected, rtol=0, atol=1e-5 * abs(expected).max()
    )


@pytest.fixture(scope="module")
def tiny():
    """Return the name of a residual network of two blocks, in the registry while tests run."""
    name = "tiny_for_compaction"
    ARCHITECTURES[name] = models.Architecture(
        lambda asked: models.ResNet(
            (1, 1), BasicBlock, asked.num_classes, width=6, stem="small", **asked.shared
        )
    )
    yield name
    del ARCHITECTURES[name]


def test_a_dead_channel_goes_with_its_statistics_and_optimiser(tiny):
    ticket = random_ticket(tiny, 1, (8, 8, 3), 0.0, stem="small")
    mask = jax.tree.map(np.copy, ticket.mask)
    mask["stage1_block1"]["conv1"]["kernel"][..., [1, 4]] = False
    params = jax.tree.map(np.copy, ticket.params)
    params["stage1_block1"]["norm1"]["bias"][:] = 1.0
    stats = jax.tree.map(np.copy, ticket.batch_stats)
    stats["stage1_block1"]["norm1"]["mean"][:] = 0.0
    ticket = Ticket(mask, params, stats, ticket.meta)
    state = optax.sgd(0.1, momentum=0.9).init(params)
    found = compact(ticket, opt_state=jax.tree.map(lambda x: x + 7, state))
    made = found.ticket
    # one of the two emits the same constant through ReLU, which the other stands for
    assert found.report["widths"] == {"stage1_block1/conv1": 5}
    assert made.params["stage1_block1"]["conv1"]["kernel"].shape == (3, 3, 6, 5)
    assert made.params["stage1_block1"]["conv2"]["kernel"].shape == (3, 3, 5, 6)
    assert made.batch_stats["stage1_block1"]["norm1"]["mean"].shape == (5,)
    kept = [0, 1, 2, 3, 5]
    kernel = params["stage1_block1"]["conv2"]["kernel"]
    expected = kernel[:, :, kept].copy()
    expected[:, :, 1] += kernel[:, :, 4]
    np.testing.assert_allclose(made.params["stage1_block1"]["conv2"]["kernel"], expected, rtol=1e-6)
    shapes = {np.shape(leaf) for leaf in jax.tree.leaves(found.opt_state)}
    assert shapes == {np.shape(leaf) for leaf in jax.tree.leaves(made.params)}
    assert all((np.asarray(leaf) == 7).all() for leaf in jax.tree.leaves(found.opt_state))


def test_a_channel_that_nobody_reads_goes_though_its_filter_lives(tiny):
    ticket = random_ticket(tiny, 1, (8, 8, 3), 0.0, stem="small")
    mask = jax.tree.map(np.copy, ticket.mask)
    mask["stage1_block1"]["conv2"]["kernel"][:, :, 2] = False
    found = compact(Ticket(mask, ticket.params, ticket.batch_stats, ticket.meta))
    assert found.report["widths"] == {"stage1_block1/conv1": 5}


def test_a_network_of_another_precision_is_compared_in_float32_and_keeps_it(tiny):
    ticket = random_ticket(tiny, 1, (8, 8, 3), 0.5, stem="small", precision="bfloat16")
    found = compact(ticket)
    assert found.report["max_difference"] <= 1e-5 * found.report["largest_output"]
    assert found.ticket.meta["model"]["precision"] == "bfloat16"


def test_a_dense_network_stays_as_it_is(tiny):
    ticket = random_ticket(tiny, 1, (8, 8, 3), 0.0, stem="small")
    found = compact(ticket)
    assert found.report["widths"] == {}
    assert found.report["max_difference"] == 0
    jax.tree.map(np.testing.assert_array_equal, found.ticket.params, ticket.params)


def test_multiply_adds_are_those_of_the_formula(tiny):
    ticket = random_ticket(tiny, 1, (8, 8, 3), 0.0, stem="small")
    first, second = 64 * 9 * 6 * 6, 16 * 12 * (9 * 6 + 9 * 12 + 6)
    expected = 64 * 9 * 3 * 6 + 2 * first + second + 12 * 5
    assert compact(ticket).report["multiply_adds"] == [expected, expected]


def test_the_ticket_is_one_as_any_other(tiny, tmp_path):
    found = compact(random_ticket(tiny, 1, (8, 8, 3), 0.5, stem="small")).ticket
    found.save(tmp_path / "small")
    loaded = Ticket.load(tmp_path / "small")
    x = images(2, (8, 8, 3))
    np.testing.assert_array_equal(logits(loaded, x), logits(found, x))
    assert [entry["stage"] for entry in loaded.meta["history"]] == ["pretrain", "compact"]
    again = compact(loaded)
    assert again.report["parameters"][0] == again.report["parameters"][1]
    model = provenance.build_model(loaded.meta)
    params, _ = models.initialise(model, jax.random.key(0), (8, 8, 3))
    jax.tree.map(lambda a, b: np.testing.assert_equal(a.shape, b.shape), params, loaded.params)
    _, stats = models.training_logits(model, loaded.params, loaded.batch_stats, x)
    jax.tree.map(lambda a, b: np.testing.assert_equal(a.shape, b.shape), stats, loaded.batch_stats)


def test_a_layer_that_is_always_of_one_size_keeps_its_channels(tiny):
    name = f"{tiny}_odd"

    class Odd(models.BackboneAndHead):
        num_classes: int
        make_head: object

        @nn.compact
        def features(self, x, train=False):
            kernel = self.param("stem", nn.initializers.ones, (3, 4))
            return models.pooled({"stem": nn.relu(x @ kernel)})

    ARCHITECTURES[name] = models.Architecture(
        lambda asked: Odd(asked.num_classes, asked.shared["make_head"])
    )
    try:
        ticket = random_ticket(name, 1, (4, 4, 3), 0.0)
        ticket.params["stem"][:, 1] = 0
        assert compact(ticket).report["widths"] == {}
    finally:
        del ARCHITECTURES[name]


def test_what_is_not_understood_is_kept():
    def answer(variables, x):
        hidden = x @ variables["first"]
        return jnp.sort(hidden, -1) @ variables["second"] + (x @ variables["third"]) @ jnp.ones(
            (4, 2)
        )

    first = np.ones((3, 4), np.float32)
    first[:, 2] = 0
    traced = trace(
        answer,
        {"first": first, "second": np.ones((4, 2), np.float32), "third": first},
        np.ones((1, 3)),
    )
    plan = make_plan(traced)
    assert plan.staying["first"] == (None, None)
    assert plan.staying["second"] == (None, None)
    assert plan.staying["third"] == (None, None)


def test_examples_of_texts_are_of_many_tokens():
    inputs = Input("tokens", (8,), "int32", 50, "tokens"), Input("part", (8,), "uint8")
    found = examples_of(inputs, 4)
    assert found["tokens"].shape == found["part"].shape == (4, 8)
    assert len(np.unique(found["tokens"])) > 10
    assert 0 <= found["tokens"].min() <= found["tokens"].max() < 50
    assert not found["part"].any()
