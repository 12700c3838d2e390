import jax
import jax.numpy as jnp
import numpy as np

from rtickets.models import Features
from rtickets.models.heads.places import Places
from rtickets.tasks import Segmentation


def test_every_place_of_the_last_level_is_answered_linearly():
    task = Segmentation(decoder="none")
    assert task.head == Places()
    assert task.backbone_stride is None
    x = jax.random.normal(jax.random.key(0), (2, 3, 5, 4))
    found = Features({"stem": jnp.zeros((2, 6, 10, 1)), "last": x}, x.mean((1, 2)))
    answers, variables = task.head(7).init_with_output(jax.random.key(1), found)
    own = variables["params"]["places"]
    expected = np.einsum("bhwc,co->bhwo", x, own["kernel"][0, 0]) + own["bias"]
    np.testing.assert_allclose(answers, expected, atol=1e-5)
