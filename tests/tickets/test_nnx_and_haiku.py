"""Networks of flax.nnx and Haiku: their parameters are drawn, saved and loaded as they are."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rtickets
from rtickets import criteria, masks
from rtickets.errors import InputError
from rtickets.tickets.inspect import describe, verify

DOCS = Path(__file__).parents[2] / "docs" / "tickets.md"


class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(4, 4, use_bias=False, rngs=rngs) for _ in range(11)])
        self.head = nnx.Sequential(nnx.Dropout(0.5, rngs=rngs), nnx.Linear(4, 3, rngs=rngs))

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x))).mean((1, 2))
        for block in self.blocks:
            x = nnx.tanh(block(x))
        return self.head(x)


@pytest.fixture
def net():
    return Net(nnx.Rngs(0))


def test_a_state_is_drawn_with_the_names_of_linen(net):
    params = nnx.state(net, nnx.Param)
    mask = rtickets.draw_omp(params, 0.5)
    assert jax.tree.structure(mask) == jax.tree.structure(params)
    names = {"conv/kernel", *(f"blocks/{index}/kernel" for index in range(11))}
    assert set(masks.prunable_leaves(mask)) == names  # not head/layers/1/kernel
    plain = nnx.to_pure_dict(params)
    drawn = rtickets.draw_omp(plain, 0.5)
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(mask), drawn)
    assert masks.summary(mask, params) == masks.summary(drawn, plain)
    assert masks.summary(mask, params).prunable == (124, 248)
    with pytest.raises(InputError, match="State"):
        masks.apply(drawn, params)


def test_a_state_is_masked_and_so_are_its_gradients(net):
    params = nnx.state(net, nnx.Param)
    mask = rtickets.draw_omp(params, 0.5, pattern="channel")
    nnx.update(net, masks.apply(mask, params))
    gradients = nnx.grad(lambda model, x: (model(x) ** 2).mean())(net, jnp.ones((2, 5, 5, 2)))
    masked = masks.leaf_paths(masks.apply(mask, gradients))
    kept = masks.prunable_leaves(mask)
    for path, leaf in masks.leaf_paths(nnx.state(net, nnx.Param)).items():
        assert not np.asarray(leaf)[~kept.get(path, np.ones(leaf.shape, bool))].any()
        assert not np.asarray(masked[path])[~kept.get(path, np.ones(leaf.shape, bool))].any()


@pytest.mark.parametrize("compile_step", [nnx.jit, lambda step: step])
def test_the_optimizer_of_nnx_keeps_pruned_weights_at_zero(net, compile_step):
    """It starts from variables, and goes on with the arrays that they hold."""
    mask = rtickets.draw_omp(nnx.state(net, nnx.Param), 0.5)
    before = net.conv.kernel[...]
    pruned = rtickets.keep_pruned(optax.adamw(0.1, weight_decay=0.5), mask)
    optimizer = nnx.Optimizer(net, pruned, wrt=nnx.Param)

    @compile_step
    def step(net, optimizer):
        optimizer.update(net, nnx.grad(lambda net: net(jnp.ones((2, 5, 5, 2))).sum())(net))

    for _ in range(2):
        step(net, optimizer)
    for path, keep in masks.prunable_leaves(mask).items():
        weights = masks.leaf_paths(nnx.state(net, nnx.Param))[path]
        assert not np.asarray(weights)[~np.asarray(keep)].any()
    assert (net.conv.kernel[...] != before).any()


@pytest.mark.parametrize("parts", [("State", "Param"), ("dict", "Array"), ("State", "Array")])
def test_containers_that_differ_are_named_where_they_do(net, parts):
    """Also where both are states, of variables and of what these hold."""
    params = nnx.state(net, nnx.Param)
    held = {"dict": nnx.to_pure_dict(params), "State": nnx.as_pure(params)}[parts[0]]
    mask = rtickets.draw_omp(params if parts[1] == "Array" else held, 0.5)
    with pytest.raises(InputError) as error:
        masks.check(mask, held if parts[1] == "Array" else params)
    where = "blocks/0/kernel" if parts[0] == "State" else "State"
    assert where in str(error.value)
    assert "nnx" in str(error.value)
    assert "a State of them where the parameters are a State" not in str(error.value)


def test_a_state_is_scored(net):
    graph, params, rest = nnx.split(net, nnx.Param, ...)

    def loss_fn(params, x):
        model = nnx.merge(graph, params, rest)
        model.eval()
        return (model(x) ** 2).mean()

    scores = criteria.snip(loss_fn, params, [(jnp.ones((2, 5, 5, 2)),)])
    mask = rtickets.draw_omp(params, 0.5, scores=scores)
    assert masks.sparsity(mask) == 0.5


def test_states_come_back_from_a_ticket(net, tmp_path):
    params, stats = nnx.state(net, nnx.Param), nnx.state(net, nnx.BatchStat)
    mask = rtickets.draw_omp(params, 0.5)
    rtickets.Ticket(mask, params, stats).save(tmp_path / "t")
    ticket = verify(tmp_path / "t")
    assert [row["path"] for row in describe(ticket)["layers"]] == list(masks.prunable_leaves(mask))
    for found, given in (
        (ticket.params, masks.apply(mask, params)),
        (ticket.batch_stats, stats),
        (ticket.mask, mask),
    ):
        expected = nnx.to_pure_dict(given)
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, found, expected)

    other = Net(nnx.Rngs(1))
    for kind, values in ((nnx.Param, ticket.params), (nnx.BatchStat, ticket.batch_stats)):
        state = nnx.state(other, kind)
        nnx.replace_by_pure_dict(state, values)
        nnx.update(other, state)
    nnx.update(net, masks.apply(mask, params))
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 2))
    net.eval()
    other.eval()
    np.testing.assert_array_equal(net(x), other(x))


def test_a_state_with_keys_of_random_numbers_is_refused_with_the_remedy(net, tmp_path):
    state = nnx.state(net)
    mask = rtickets.draw_omp(state, 0.5)
    masks.apply(mask, state)
    with pytest.raises(InputError, match=r"params/head/layers/0/rngs/key.*nnx\.Param"):
        rtickets.Ticket(mask, state).save(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


def test_a_module_and_a_variable_that_is_no_array_are_refused(net, tmp_path):
    mask = jax.tree.map(lambda _: True, net)
    with pytest.raises(InputError, match=r"params .*Net"):
        rtickets.Ticket(mask, net).save(tmp_path / "t")
    state = nnx.State({"a": nnx.Param({"w": np.ones(2)})})
    with pytest.raises(InputError, match=r"params/a .*Param"):
        rtickets.Ticket(jax.tree.map(lambda _: True, state), state).save(tmp_path / "t")


def haiku_params():
    generator = np.random.default_rng(0)

    def layer(*shape):
        return {"w": generator.standard_normal(shape).astype(np.float32), "b": np.ones(shape[-1])}

    return {
        "net/~/conv2_d": layer(3, 3, 2, 4),
        "net/~/mlp/~/linear_0": layer(4, 8),
        "net/~/mlp/~/linear_1": layer(8, 3),
        "net/~/batch_norm": {"scale": np.ones((1, 1, 1, 4)), "offset": np.zeros((1, 1, 1, 4))},
    }


def test_parameters_of_haiku_are_drawn_saved_and_loaded(tmp_path):
    params = haiku_params()
    stats = {"net/~/batch_norm/~/mean_ema": {"average": np.ones(4), "counter": np.int32(3)}}
    mask = rtickets.draw_omp(params, 0.75, prunable=".*/w", exclude=".*/linear_1/w")
    names = ["net/~/conv2_d/w", "net/~/mlp/~/linear_0/w"]
    assert list(masks.prunable_leaves(mask)) == names
    assert masks.summary(mask, params).prunable == (26, 104)
    rtickets.Ticket(mask, params, stats).save(tmp_path / "t")
    ticket = verify(tmp_path / "t")
    assert jax.tree.structure(ticket.params) == jax.tree.structure(params)
    assert set(ticket.params) == set(params)
    applied = masks.apply(mask, params)
    jax.tree.map(np.testing.assert_array_equal, ticket.params, applied)
    jax.tree.map(np.testing.assert_array_equal, ticket.batch_stats, stats)
    assert ticket.batch_stats["net/~/batch_norm/~/mean_ema"]["counter"].shape == ()


def test_the_examples_in_the_documentation_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert len(blocks) >= 3
    found: dict = {}
    for block in blocks:
        exec(compile(block, str(DOCS), "exec"), found)
    assert (tmp_path / "nnx-ticket" / "ticket.json").is_file()
    assert (tmp_path / "haiku-ticket" / "ticket.json").is_file()
