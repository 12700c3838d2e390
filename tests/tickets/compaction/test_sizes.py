"""What is removed changes no answer at any size of images, nor for any kernel that inputs make."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import Ticket, compact, models
from rtickets.errors import InputError
from rtickets.models import ARCHITECTURES
from rtickets.models.resnet import BasicBlock
from rtickets.tickets.compaction.compared import difference
from rtickets.tickets.compaction.network import examples_of
from rtickets.tickets.compaction.plan import carry_out, make_plan
from rtickets.tickets.compaction.trace import trace
from tests.tickets.compaction.test_compact import images, logits, random_ticket
from tests.tickets.compaction.test_encoders import INPUTS

LAYOUT = ("NHWC", "HWIO", "NHWC")


@pytest.fixture
def named():
    """Return what puts a network into the registry under a name, while the test runs."""
    names = []

    def put(make):
        names.append(f"for_sizes_{len(names)}")
        ARCHITECTURES[names[-1]] = models.Architecture(make)
        return names[-1]

    yield put
    for name in names:
        del ARCHITECTURES[name]


def features_of(named, features):
    """Return the name of a network whose `features` are a function of (module, images)."""

    class Own(models.BackboneAndHead):
        num_classes: int
        make_head: object

        @nn.compact
        def features(self, x, train=False):
            return models.pooled({"last": features(self, x)})

    return named(lambda asked: Own(asked.num_classes, asked.shared["make_head"]))


def test_a_constant_that_ends_at_a_border_is_no_constant_after_pooling(named):
    name = named(
        lambda asked: models.ResNet(
            (1, 1), BasicBlock, asked.num_classes, width=6, stem="small", **asked.shared
        )
    )
    ticket = random_ticket(name, 1, (8, 8, 3), 0.0, stem="small")
    mask = jax.tree.map(np.copy, ticket.mask)
    mask["stage2_block1"]["conv1"]["kernel"][:] = False  # its constants meet a living convolution
    mask["stage2_block1"]["shortcut_conv"]["kernel"][..., :6] = False
    ticket = Ticket(mask, ticket.params, ticket.batch_stats, ticket.meta)
    found = compact(ticket).ticket
    for shape in ((8, 8, 3), (17, 14, 3)):
        x = images(2, shape)
        expected = logits(ticket, x)
        np.testing.assert_allclose(
            logits(found, x), expected, rtol=0, atol=1e-5 * abs(expected).max()
        )


def kept_of(function, weights, x):
    """Return how many entries stay along every axis, and the difference of answers at (9, 9)."""
    plan = make_plan(trace(lambda v, x: function(v["params"], x), {"params": weights}, x))
    small = carry_out(plan, weights, "params/", adding=True)
    larger = np.random.default_rng(1).random((1, 9, 9, 3)).astype(np.float32)
    apart = np.abs(np.asarray(function(weights, larger) - function(small, larger))).max()
    return {name: leaf.shape for name, leaf in small.items()}, apart


def taken(how):
    """Return a network of constants that end at the border, whose places are taken together."""

    def answer(weights, x):
        hidden = x @ weights["first"] + weights["bias"]
        y = jax.lax.conv_general_dilated(
            nn.relu(hidden), weights["kernel"], (1, 1), "SAME", dimension_numbers=LAYOUT
        )
        return how(nn.relu(y)) @ weights["last"]

    return answer


WAYS = {
    "mean": lambda y: y.mean((1, 2)),
    "largest": lambda y: y.max((1, 2)),
    "windows": lambda y: nn.avg_pool(y, y.shape[1:3])[:, 0, 0],
    "product": lambda y: jnp.einsum("bhwc,hw->bc", y, jnp.ones(y.shape[1:3]) / y[0, ..., 0].size),
    "rows": lambda y: y.reshape(1, -1, y.shape[-1]).mean(1),
    "corner": lambda y: y[:, -1, -1] - y[:, y.shape[1] // 2, 1],
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("side", [1, 4])
def test_places_are_taken_together_in_any_way(how, side):
    g = np.random.default_rng(0)
    weights = {
        "first": np.zeros((3, 4), np.float32), "bias": g.random(4).astype(np.float32),
        "kernel": g.random((3, 3, 4, 5)).astype(np.float32),
        "last": g.normal(size=(5, 2)).astype(np.float32),
    }  # fmt: skip
    _, apart = kept_of(taken(WAYS[how]), weights, g.random((1, side, side, 3)).astype(np.float32))
    assert apart < 1e-4


@pytest.mark.parametrize("groups", [1, 2])
def test_a_kernel_that_inputs_make_is_read_whole(groups):
    def answer(weights, x):  # 0 for the bright inputs that it is traced with
        kernel = weights["kernel"] * nn.relu(0.6 - x.mean())
        return jax.lax.conv_general_dilated(
            nn.relu(x @ weights["first"]), kernel, (1, 1), "SAME", dimension_numbers=LAYOUT,
            feature_group_count=groups,
        )  # fmt: skip

    g = np.random.default_rng(0)
    weights = {
        "first": g.random((3, 4)).astype(np.float32),
        "kernel": g.random((3, 3, 4 // groups, 2)).astype(np.float32),
    }
    shapes, apart = kept_of(answer, weights, np.ones((1, 4, 4, 3), np.float32))
    assert shapes == {name: leaf.shape for name, leaf in weights.items()}
    assert apart == 0


def gated(module, x):
    x = nn.relu(nn.Conv(6, (3, 3), name="stem")(x))
    return x * nn.sigmoid(nn.Conv(1, (1, 1), name="gate")(x))


def reshaping(module, x):
    x = nn.relu(nn.Dense(6, name="stem")(x.reshape(x.shape[0], -1, 3)))
    return nn.relu(nn.Conv(6, (3, 3), name="after")(x.reshape(x.shape[0], 6, 6, 6)))


def grouped(module, x):
    x = nn.relu(nn.Conv(6, (3, 3), name="stem")(x))
    x = nn.relu(nn.Conv(6, (3, 3), feature_group_count=6, name="depthwise")(x))
    return nn.relu(nn.Conv(6, (1, 1), name="after")(x))


@pytest.mark.parametrize(
    ("features", "narrower"),
    [(gated, {"stem"}), (reshaping, {"after"}), (grouped, {"after"})],
)
def test_ordinary_networks_lose_what_they_can(named, features, narrower):
    ticket = random_ticket(features_of(named, features), 1, (6, 6, 3), 0.0)
    for layer in ("stem", *(narrower - {"stem"})):
        ticket.mask[layer]["kernel"][..., [1, 4]] = False
        ticket.params[layer]["bias"][[1, 4]] = -1
    found = compact(ticket)
    assert set(found.report["widths"]) == narrower
    assert found.report["max_difference"] <= 1e-5 * found.report["largest_output"]


def test_answers_that_are_no_numbers_are_told_of():
    network = (None, jnp.float32(np.inf))
    with pytest.raises(InputError, match=r"itself.*not finite"):
        difference(lambda _, scale, x: x * scale, network, network, jnp.ones((2, 3)))


def test_encoders_are_compared_on_tokens_of_all_kinds():
    found = examples_of(INPUTS, 4)
    tokens = np.asarray(found["tokens"])
    assert tokens.min() >= 0
    assert 30 < tokens.max() < 50
    assert len({row.tobytes() for row in tokens}) == 4
