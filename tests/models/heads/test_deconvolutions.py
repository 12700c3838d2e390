"""The head of deconvolutions: finer and finer places, and what they cost."""

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import models
from rtickets.models.heads.deconvolutions import Deconvolutions
from rtickets.tickets.compaction.counting import multiply_adds as counted
from rtickets.tickets.multiply_adds import shapes_and_places


def network(**changes):
    head = Deconvolutions(**{"channels": 4, "layers": 2, **changes})
    return models.build("resnet18", 3, width=1 / 16, stem="small", make_head=head)


def test_every_layer_doubles_the_places_and_keeps_statistics():
    variables = models.initialise(network(), jax.random.key(0), (32, 48, 3))
    x = jax.random.uniform(jax.random.key(1), (2, 32, 48, 3))
    outputs, state = jax.jit(lambda x: models.apply(network(), *variables, x, True))(x)
    assert outputs.shape == (2, 16, 24, 3)  # from 4 x 6
    assert outputs.dtype == jnp.float32
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state, variables[1])
    assert all(jax.tree.leaves(moved["head"]))
    assert network() == network()
    assert hash(network()) == hash(network())
    assert network() != network(layers=3)


def test_the_published_head_has_its_number_of_weights():
    head = Deconvolutions()(17)
    seen = models.pooled({"last": jnp.zeros((1, 8, 6, 2048))})
    made = jax.eval_shape(head.init, jax.random.key(0), seen)["params"]
    sizes = {
        name: np.prod(layer["kernel"].shape) for name, layer in made.items() if "kernel" in layer
    }
    assert sizes == {
        "deconv1": 16 * 2048 * 256, "deconv2": 16 * 256 * 256, "deconv3": 16 * 256 * 256,
        "places": 256 * 17,
    }  # fmt: skip


def test_a_weight_of_a_deconvolution_is_multiplied_at_every_place_that_goes_in():
    model = network()
    _, places = shapes_and_places(model, models.as_inputs((32, 48, 3)))
    # places of the last level, twice as many along each axis after the first one
    own = {path: places[f"head/{path}/kernel"] for path in ("deconv1", "deconv2", "places")}
    assert own == {"deconv1": 24, "deconv2": 96, "places": 384}
    params, state = models.initialise(model, jax.random.key(0), (32, 48, 3))
    found = counted(lambda x: models.logits(model, params, state, x), jnp.zeros((1, 32, 48, 3)))
    shapes = {path: np.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    by_layer = {"/".join(key.key for key in path): np.prod(shape) for path, shape in shapes.items()}
    assert found == sum(by_layer[path] * number for path, number in places.items())
