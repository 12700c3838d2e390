import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets.attacks.apgd import Apgd
from rtickets.attacks.ensemble import queue as queues
from rtickets.attacks.ensemble.queue import (
    Attacked,
    Fixed,
    Waiting,
    number_of_slots,
    open_queue,
    slots_like,
    work,
)
from rtickets.attacks.search import Job, run
from rtickets.platform import parallel

SEARCH = Apgd("l2", 6, "ce", targeted=False, samples=0, num_classes=3)
EPS = 0.15


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3000), st.integers(1, 600), st.sampled_from([1, 2, 4, 8]))
def test_slots_fit_the_runs_the_batch_and_the_devices(runs, batch_size, devices):
    slots = number_of_slots(runs, batch_size, devices)
    most = -(-batch_size // devices) * devices
    assert slots % devices == 0
    assert devices <= slots <= most
    # Few are left over: less than an eighth of a batch, rounded up to the devices, in every round.
    rounds = max(-(-runs // batch_size), 1)
    assert rounds * slots >= min(runs, rounds * most)
    assert slots - runs / rounds < batch_size / 8 + 2 * devices


@pytest.mark.parametrize("batch_size", [1, 7, 64, 100, 250, 256])
@pytest.mark.parametrize("devices", [1, 4])
def test_few_numbers_of_slots_occur(batch_size, devices):
    sizes = {number_of_slots(runs, batch_size, devices) for runs in range(3 * batch_size)}
    assert len(sizes) <= max(9, min(batch_size, 15) // devices)


def forward(weights, x):
    return jnp.tanh(x.reshape(len(x), -1) @ weights)


MODEL = Partial(forward, jax.random.normal(jax.random.key(1), (4, 3)))


def subject(count=13):
    x = np.array(jax.random.uniform(jax.random.key(0), (count, 2, 2, 1)))
    y = np.array(MODEL(x).argmax(-1), np.int32)
    keys = jax.random.key_data(jax.random.split(jax.random.key(5), count))
    no, nor = np.zeros((2, count), bool)
    return Attacked(x, y, np.asarray(keys), no, x.copy(), nor)


def finish(attacked, waiting, slots, count=1, search=SEARCH):
    """Work until nothing is left and return the last queue and the numbers of busy slots."""
    queue, busy = open_queue(slots), []
    devices = parallel.local_devices(count)
    while step := work(queue, search, MODEL, attacked, waiting, Fixed(EPS), devices):
        assert ((step.example == -1) | ~attacked.fooled[step.example]).all()
        busy.append(step.evaluations - queue.evaluations)
        queue = step
    return queue, busy


def whole(attacked):
    """Return what the search finds without a queue."""
    key = jax.random.wrap_key_data(attacked.key_data)
    job = Job(attacked.x, attacked.y, attacked.y, key, jnp.full(len(attacked.y), EPS))
    return run(SEARCH, MODEL, job)


@pytest.mark.parametrize(("slots", "devices"), [(4, 1), (16, 1), (4, 4)])
def test_the_queue_finds_what_the_search_finds(slots, devices):
    attacked, expected = subject(), whole(subject())
    waiting = [Waiting(i, int(y)) for i, y in enumerate(attacked.y)]
    queue, busy = finish(attacked, waiting, slots, devices)
    fooled = np.asarray(expected.fooled)
    np.testing.assert_array_equal(attacked.fooled, fooled)
    assert 3 <= fooled.sum() <= 10
    np.testing.assert_array_equal(attacked.x_adv[~fooled], attacked.x[~fooled])
    assert (MODEL(attacked.x_adv).argmax(-1) != attacked.y)[fooled].all()
    assert queue.position == len(waiting)
    assert queue.evaluations == sum(busy) < len(waiting) * SEARCH.evaluations
    assert max(busy) <= slots
    resisted = (~fooled).sum() * SEARCH.evaluations
    assert resisted + fooled.sum() <= queue.evaluations
    assert len(busy) >= SEARCH.evaluations


def test_every_example_stops_when_it_is_fooled():
    attacked = subject()
    waiting = [Waiting(i, int(y)) for i, y in enumerate(attacked.y)]
    first = work(open_queue(13), SEARCH, MODEL, attacked, waiting, Fixed(EPS), one())
    freed = attacked.fooled.copy()
    np.testing.assert_array_equal(first.example == -1, freed)
    found = attacked.x_adv[freed].copy()
    finish(attacked, waiting, 13)
    np.testing.assert_array_equal(attacked.x_adv[freed], found)


def one():
    return parallel.local_devices(1)


def test_runs_of_fooled_examples_are_passed_over_and_stopped():
    attacked = subject(4)
    attacked.fooled[[0, 2]] = True
    waiting = [Waiting(i, int(attacked.y[i])) for i in (0, 1, 2, 3, 0, 1)]
    queue = work(open_queue(8), SEARCH, MODEL, attacked, waiting, Fixed(1e-6), one())
    np.testing.assert_array_equal(queue.example, [1, 3, 1, -1, -1, -1, -1, -1])
    attacked.fooled[1] = True  # as if by another run
    queue = work(queue, SEARCH, MODEL, attacked, waiting, Fixed(1e-6), one())
    np.testing.assert_array_equal(queue.example, [-1, 3, -1, -1, -1, -1, -1, -1])
    assert queue.evaluations == 3 + 3


def test_nothing_waiting_is_nothing_to_do():
    attacked = subject(4)
    assert work(open_queue(4), SEARCH, MODEL, attacked, [], Fixed(EPS), one()) is None
    attacked.fooled[:] = True
    waiting = [Waiting(2, 0)]
    assert work(open_queue(4), SEARCH, MODEL, attacked, waiting, Fixed(EPS), one()) is None


def test_several_steps_per_call_give_the_same_states():
    """What an accelerator does, where a call takes many steps."""
    attacked, devices = subject(4), one()
    waiting = [Waiting(i, int(y)) for i, y in enumerate(attacked.y)]
    slots = work(open_queue(4), SEARCH, MODEL, attacked, waiting, Fixed(1e-3), devices).slots
    idle, arguments = np.zeros((1, 4), bool), (MODEL.args, MODEL.keywords)
    single, several = (queues._compiled(SEARCH, forward, n, devices) for n in (1, 10))
    expected, done = slots, None
    for _ in range(SEARCH.evaluations - 1):
        expected, done = single(arguments, expected, idle)
    found, all_done = several(arguments, slots, idle)
    assert done.all()
    assert all_done.all()
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_structure_of_slots_is_known_without_computing_them():
    attacked = subject(4)
    waiting = [Waiting(i, int(y)) for i, y in enumerate(attacked.y)]
    queue = work(open_queue(4), SEARCH, MODEL, attacked, waiting, Fixed(EPS), one())
    like = slots_like(SEARCH, (4, 2, 2, 1), 2)
    assert jax.tree.structure(like) == jax.tree.structure(queue.slots)
    for abstract, array in zip(jax.tree.leaves(like), jax.tree.leaves(queue.slots), strict=True):
        assert ((1, *abstract.shape), abstract.dtype) == (array.shape, array.dtype)
