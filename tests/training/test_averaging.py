import chex
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import training
from rtickets.config import AveragingConfig
from rtickets.training import averaging


def run(config, values):
    average = averaging.start(config, {"w": jnp.float32(values[0])}, {"mean": jnp.float32(0)})
    for value in values[1:]:
        average = averaging.advance(
            config, average, {"w": jnp.float32(value)}, {"mean": jnp.float32(1)}
        )
    return average


@settings(max_examples=15, deadline=None)
@given(
    decay=st.floats(0.01, 0.999),
    values=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=8),
)
def test_the_average_has_a_closed_form(decay, values):
    average = run(AveragingConfig(decay=decay, warmup=False), values)
    steps = len(values) - 1
    weights = [decay**steps, *((1 - decay) * decay ** (steps - i) for i in range(1, steps + 1))]
    assert float(average.params["w"]) == pytest.approx(np.dot(weights, values), abs=1e-4)
    assert float(average.batch_stats["mean"]) == pytest.approx(1 - decay**steps, abs=1e-5)
    assert int(average.steps) == steps


def test_the_warm_up_forgets_the_initial_weights():
    config = AveragingConfig(decay=0.5)
    # decays 1 / 10, 2 / 11, 3 / 12, ..., until they reach 0.5 after 8 steps
    decays = [min(0.5, (1 + n) / (10 + n)) for n in range(12)]
    assert decays[7] < 0.5 == decays[8]
    average = run(config, [1.0] + [0.0] * 12)
    assert float(average.params["w"]) == pytest.approx(np.prod(decays), rel=1e-4)


def test_what_does_not_change_stays_as_it_is_exactly():
    value = np.float32(0.1)
    average = run(AveragingConfig(decay=0.7), [value] * 9)
    assert average.params["w"] == value


def test_without_a_decay_there_is_no_average(small):
    state, _ = small.steps(small.program(), 1)
    assert state.average is None
    chex.assert_trees_all_equal(training.selected(state), (state.params, state.batch_stats))


def test_a_run_averages_the_weights_that_its_steps_leave(small):
    config = AveragingConfig(decay=0.6, warmup=False)
    program = small.program(averaging=config)
    trail = [small.steps(program, count)[0] for count in range(1, 4)]
    start = training.init_state(program, small.params, small.batch_stats, small.mask)
    expected = start.average
    for state in trail:
        expected = averaging.advance(config, expected, state.params, state.batch_stats)
    chex.assert_trees_all_close(trail[-1].average, expected, atol=1e-6)
    params, stats = training.selected(trail[-1])
    chex.assert_trees_all_equal((params, stats), (trail[-1].average[1:]))
    plain, _ = small.steps(small.program(), 3)
    chex.assert_trees_all_close(trail[-1].params, plain.params, atol=1e-6)


def test_frozen_parts_of_the_average_are_the_weights_themselves(small):
    program = small.program(
        averaging=AveragingConfig(decay=0.9), trainable="head", statistics="frozen"
    )
    state, _ = small.steps(program, 3)
    assert set(state.average.params) == {"head"}
    params, stats = training.selected(state)
    frozen = {name: leaf for name, leaf in params.items() if name != "head"}
    chex.assert_trees_all_equal(frozen, {name: state.params[name] for name in frozen})
    chex.assert_trees_all_equal(stats, small.batch_stats)
    assert (params["head"]["kernel"] != state.params["head"]["kernel"]).any()
