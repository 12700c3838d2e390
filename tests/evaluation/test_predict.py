import numpy as np
import pytest

from rtickets.config import AttackConfig
from rtickets.data.images.augment import Transform
from rtickets.evaluation import Network, on_devices, predict
from rtickets.evaluation.batches import _compiled
from rtickets.platform import parallel

ATTACK = AttackConfig(norm="l2", eps=0.5, num_steps=2)


def examples_on(tiny, count, indices=None, mapping="pmap"):
    split = tiny.split if indices is None else tiny.split.take(indices)
    return on_devices(split, Transform(), parallel.local_devices(count, mapping))


def network(tiny):
    return Network(tiny.model, tiny.params, tiny.batch_stats)


@pytest.mark.parametrize("attack", [None, ATTACK], ids=["clean", "attacked"])
def test_logits_do_not_depend_on_batch_size_or_devices(tiny, attack):
    expected = predict(network(tiny), examples_on(tiny, 1), attack=attack, batch_size=48)
    assert expected.shape == (48, 3)
    assert expected.dtype == np.float32
    for count, batch_size, mapping in ((1, 20, "pmap"), (2, 10, "shard_map"), (4, 48, "pmap")):
        examples = examples_on(tiny, count, mapping=mapping)
        logits = predict(network(tiny), examples, attack=attack, batch_size=batch_size)
        np.testing.assert_allclose(logits, expected, atol=2e-4)


def test_clean_logits_are_the_models(tiny):
    logits = predict(network(tiny), examples_on(tiny, 1), batch_size=16)
    x = np.asarray(tiny.split.images, np.float32) / 255
    variables = {"params": tiny.params, "batch_stats": tiny.batch_stats}
    np.testing.assert_allclose(logits, tiny.model.apply(variables, x), atol=1e-4)


def test_an_attack_lowers_the_logit_of_the_label(tiny):
    examples, labels = examples_on(tiny, 1), tiny.split.labels
    clean = predict(network(tiny), examples, batch_size=48)
    attacked = predict(network(tiny), examples, attack=ATTACK, batch_size=48)

    def loss(logits):
        shifted = logits - logits.max(-1, keepdims=True)
        return np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(48), labels]

    assert loss(attacked).mean() > loss(clean).mean() + 0.01


def test_radius_and_step_do_not_recompile(tiny):
    examples = examples_on(tiny, 1)
    predict(network(tiny), examples, attack=ATTACK, batch_size=48)
    before = _compiled.cache_info().misses
    other = AttackConfig(norm="l2", eps=0.25, num_steps=2, step_size=0.1)
    predict(network(tiny), examples, attack=other, batch_size=48)
    assert _compiled.cache_info().misses == before


def test_one_example_is_enough(tiny):
    logits = predict(network(tiny), examples_on(tiny, 2, np.array([5])), batch_size=4)
    assert logits.shape == (1, 3)


def test_a_batch_that_does_not_divide_is_rounded_up(tiny):
    expected = predict(network(tiny), examples_on(tiny, 2), batch_size=6)
    logits = predict(network(tiny), examples_on(tiny, 2), batch_size=5)
    np.testing.assert_array_equal(logits, expected)
