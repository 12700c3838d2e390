"""Supernets: sizes of the published tables by hand, wiring, blocks without channels."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.errors import InputError
from rtickets.models.heads.places import Places
from rtickets.models.searchable import depthwise_init
from rtickets.models.supernet import TABLES, Gathered, Joined, Stage, Supernet, Table, supernet
from rtickets.tickets.multiply_adds import shapes_and_places

TINY = Table(4, (Stage((4,), (1,)), Stage((4, 6), (1, 2))), Joined(5), (3, 5), 2)


def blocks_by_hand(table):
    """Return (inputs, outputs, stride, level of the input) of every searchable block."""
    found, given = [], (table.stem,)
    for stage in table.stages:
        n = len(given)
        for i in range(n):
            for j in (i - 1, i, i + 1):
                if 0 <= j < n:
                    found.append((given[j], stage.features[i], 2 if j < i else 1, j))
        if len(stage.features) > n:
            found.append((stage.features[n - 1], stage.features[n], 2, n - 1))
        for b, (features, count) in enumerate(zip(stage.features, stage.blocks, strict=True)):
            found += [(features, features, 1, b)] * count
        given = stage.features
    if isinstance(table.trunk, Joined):
        return [*found, (sum(given), table.trunk.features, 1, 0)]
    wider = table.trunk.branches
    found += [(a, b, 1, level) for level, (a, b) in enumerate(zip(given, wider, strict=True))]
    return found + [(a, b, 2, level) for level, (a, b) in enumerate(itertools.pairwise(wider))]


def sizes_by_hand(table, shape, outputs, dense):
    """Return searchable blocks, hidden channels, parameters and multiply-adds."""
    blocks = blocks_by_hand(table)
    area = shape[0] * shape[1]
    params = 27 * table.stem + 9 * table.stem**2 + 4 * table.stem
    adds = 27 * table.stem * area // 4 + 9 * table.stem**2 * area // 16
    for inputs, features, stride, level in blocks:
        before = area // 16 // 4**level
        after = before // stride**2
        params += 2 * features
        for size in table.kernel_sizes:
            hidden = table.expansion * inputs
            params += hidden * (inputs + 2 + size**2 + 2 + features)
            adds += hidden * (inputs * before + (size**2 + features) * after)
        if stride > 1 or inputs != features:
            groups = math.gcd(inputs, features)
            params += inputs * features // groups
            adds += inputs * features // groups * after
    last = table.trunk.features
    if isinstance(table.trunk, Gathered):
        lowest = area // 16 // 4 ** (len(table.trunk.branches) - 1)
        params += table.trunk.branches[-1] * last + 2 * last
        adds += table.trunk.branches[-1] * last * lowest
    params += last * outputs + outputs
    adds += last * outputs * (area // 16 if dense else 1)
    hidden = sum(len(table.kernel_sizes) * table.expansion * inputs for inputs, *_ in blocks)
    return len(blocks), hidden, params, adds


PUBLISHED = [
    ("supernet_dense90", (512, 1024, 3), 19, (61, 44_928), 10_110_235, 61_836_632_064),
    ("supernet_dense180", (512, 512, 3), 150, (61, 44_928), 10_427_706, 36_114_665_472),
    ("supernet_keypoints", (256, 192, 3), 17, (61, 44_928), 10_110_053, 5_796_631_296),
    ("supernet_classes", (224, 224, 3), 1000, (67, 47_952), 13_243_868, 2_422_799_760),
    ("supernet_small", (64, 64, 3), 6, (15, 2_784), 219_742, 31_523_328),
]


@pytest.mark.parametrize(
    ("arch", "shape", "outputs", "searchable", "parameters", "adds"),
    [pytest.param(*each, marks=pytest.mark.slow) for each in PUBLISHED[:2]] + PUBLISHED[2:],
)
def test_published_sizes(arch, shape, outputs, searchable, parameters, adds):
    dense = arch != "supernet_classes"
    by_hand = sizes_by_hand(TABLES[arch], shape, outputs, dense)
    assert by_hand[:2] == searchable
    assert by_hand[2:] == (parameters, adds)
    head = {"make_head": Places()} if dense else {}
    model = models.build(arch, outputs, stem="imagenet", **head)
    inputs = models.inputs.as_inputs(shape)
    shapes, places = shapes_and_places(model, inputs)
    assert sum(map(math.prod, shapes.values())) == by_hand[2]
    searched = [path for path in shapes if path.endswith("depthwise_norm/scale")]
    assert sum(shapes[path][0] for path in searched) == by_hand[1]
    assert set(places) == {path for path in shapes if path.endswith("kernel")}
    assert sum(math.prod(shapes[p]) * n for p, n in places.items()) == by_hand[3]


def test_normalisation_and_first_weights_are_those_of_the_table():
    table = Table(4, (Stage((4,), (1,)),), Joined(5), (3,), 2, 0.75, 0.5, 0.001)
    narrow = table.scaled(lambda features: int(2 * features))
    assert (narrow.momentum, narrow.epsilon, narrow.deviation) == (0.75, 0.5, 0.001)
    model = Supernet(3, table)
    assert models.epsilon_of(model) == 0.5
    params, stats = models.initialise(model, jax.random.key(0), (32, 32, 1))
    kernels = np.concatenate([
        np.ravel(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if path[-1].key == "kernel" and path[0].key != "head"
    ])  # fmt: skip
    assert 0.0008 < kernels.std() < 0.0012
    x = jax.random.uniform(jax.random.key(1), (2, 32, 32, 1))
    _, moved = models.training_logits(model, params, stats, x)
    np.testing.assert_allclose(moved["stem_norm1"]["var"], 0.75, rtol=1e-3)


@pytest.fixture(scope="module")
def tiny():
    model = Supernet(3, TINY, make_head=Places())
    return model, *models.initialise(model, jax.random.key(0), (32, 48, 1))


def test_branches_halve_and_the_trunk_is_at_the_finest(tiny):
    model, params, stats = tiny
    x = jax.random.uniform(jax.random.key(1), (2, 32, 48, 1))
    found = models.features(model, params, stats, x)[0]
    assert {name: level.shape for name, level in found.levels.items()} == {
        "stem": (2, 8, 12, 4), "stage1": (2, 8, 12, 4), "stage2": (2, 8, 12, 4),
        "trunk": (2, 8, 12, 5),
    }  # fmt: skip
    assert models.apply(model, params, stats, x)[0].shape == (2, 8, 12, 3)


def test_odd_sizes_are_resized_where_branches_meet():
    key = jax.random.key(0)
    table = Table(4, (Stage((4, 4), (1, 1)), Stage((4, 4), (1, 1))), Joined(4), (3,), 1)
    odd = Supernet(2, table, make_head=Places())
    shape = (20, 28, 1)  # 5 x 7 places, and 3 x 4 below
    answer = jax.eval_shape(lambda key: odd.init_with_output(key, jnp.ones((1, *shape)))[0], key)
    assert answer.shape == (1, 5, 7, 2)


def test_paths_whose_channels_are_dead_add_nothing_to_the_shortcut(tiny):
    model, params, stats = tiny
    block = "stage2_branch1_block1"
    dead = {
        name: jax.tree.map(jnp.zeros_like, leaf) if name.startswith("path") else leaf
        for name, leaf in params[block].items()
    }
    x = jax.random.uniform(jax.random.key(1), (2, 32, 48, 1))
    layers = models.calling.layers
    before = layers(model, {**params, block: dead}, stats, x)
    answer = before[f"{block}/project_norm"][0]
    np.testing.assert_allclose(answer, jnp.zeros_like(answer), atol=1e-6)


def test_depthwise_filters_have_the_variance_of_mnasnet():
    kernel = depthwise_init(jax.random.key(0), (5, 5, 1, 400), jnp.float32)
    assert float(kernel.std()) == pytest.approx(math.sqrt(2 / 25), rel=0.05)


@pytest.mark.parametrize(
    ("stages", "trunk", "sizes", "said"),
    [
        ((Stage((4, 4, 4), (1, 1, 1)),), Joined(4), (3,), "stage 1"),
        ((Stage((4,), (1, 1)),), Joined(4), (3,), "stage 1"),
        ((Stage((4, 4), (1, 1)), Stage((4,), (1,))), Joined(4), (3,), "stage 2"),
        ((Stage((4, 4), (1, 1)),), Gathered((4,), 8), (3,), "trunk"),
        ((Stage((4,), (1,)),), Joined(4), (4,), "kernel sizes"),
    ],
)
def test_tables_that_no_network_has_are_refused(stages, trunk, sizes, said):
    with pytest.raises(InputError, match=said):
        Table(4, stages, trunk, sizes)


def test_a_table_of_ones_own_is_an_architecture(monkeypatch):
    monkeypatch.setitem(models.ARCHITECTURES, "mine", supernet(TINY))
    model = models.build("mine", 3, width=2.0, stem="small")
    x = jnp.zeros((1, 16, 16, 3))

    def look(key):
        variables = model.init(key, x)
        return model.apply(variables, x, method="features").levels["trunk"]

    assert jax.eval_shape(look, jax.random.key(0)).shape == (1, 8, 8, 10)
