"""Honest networks pass; what a verdict says, costs and refuses."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.tree_util import Partial

from rtickets.attacks.honesty import check_model, check_results
from rtickets.attacks.honesty.findings import CHECKS
from rtickets.errors import InputError
from tests.attacks.honesty.verdict.conftest import EPS, KEY, SHAPE, conv, linear, mlp, trained


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "eps"), [(linear, 0.0), (mlp, 0.0), (conv, 0.0), (mlp, 0.05), (conv, 0.05)]
)
def test_honest_models_pass(model, eps, seed):
    params, x, y = trained(model, seed, eps)
    assert (model(params, x).argmax(-1) == y).mean() > 0.8
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    for each, radius in ((params, EPS), (params, 0.2), (low, EPS)):
        verdict = check_model(Partial(model, each), x, y, KEY, eps=radius)
        assert verdict.passed, "\n".join(verdict.lines())


@pytest.mark.parametrize(("norm", "eps"), [("l2", 0.5), ("l1", 4.0)])
def test_honest_models_pass_in_other_norms(norm, eps):
    for model, seed in itertools.product((linear, mlp), range(2)):
        params, x, y = trained(model, seed)
        verdict = check_model(Partial(model, params), x, y, KEY, eps=eps, norm=norm)
        assert verdict.passed, "\n".join(verdict.lines())


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-3, 10), st.floats(-100, 100))
def test_scale_and_shift_of_honest_logits_do_not_matter(scale, shift):
    params, x, y = trained(linear, 1)
    verdict = check_model(Partial(rescaled, params, scale, shift), x, y, KEY, eps=EPS, num_steps=8)
    assert verdict.passed, "\n".join(verdict.lines())


def rescaled(params, scale, shift, x):
    return scale * linear(params, x) + shift


def test_a_declared_random_model_passes(subject):
    logits_fn, x, y = subject

    def noisy(x, keys):
        return logits_fn(x) + 0.3 * jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)

    verdict = check_model(noisy, x, y, KEY, eps=EPS, num_steps=8, samples=3)
    assert verdict.passed, "\n".join(verdict.lines())


def test_a_constant_answer_is_no_masking(subject):
    logits_fn, x, y = subject
    bias = jnp.array([30.0, 0, 0])
    verdict = check_model(lambda x: bias + 0.01 * logits_fn(x), x, y, KEY, eps=EPS, num_steps=8)
    assert verdict.passed, "\n".join(verdict.lines())


def test_names_cost_and_compilations(subject):
    logits_fn, x, y = subject
    traced, called = [], []

    def counted(x):
        traced.append(x)
        jax.debug.callback(lambda: called.append(1))
        return jax.lax.stop_gradient(logits_fn(x))  # never all fooled, so nothing stops early

    verdict = check_model(counted, x, y, KEY, eps=EPS, num_steps=20)
    jax.effects_barrier()
    assert tuple(finding.check for finding in verdict.findings) == CHECKS[:-4]
    assert len(called) == 4.25 * 20 + 35 + 50
    assert len(traced) == 1 + 2 + 3  # what it computes, calls not compiled, and compilations


def test_lines_tell_the_verdict_first(subject):
    logits_fn, x, y = subject
    good = check_model(logits_fn, x, y, KEY, eps=EPS, num_steps=8).lines()
    assert good[0] == "trust: yes"
    assert all(line.startswith("ok ") for line in good[1:])
    bad = check_results(accuracy={0.1: 0.2, 0.0: 0.9, 0.2: 0.3}).lines()
    assert bad[0] == "trust: NO - accuracy over eps"
    assert bad[1].startswith(
        "FAIL accuracy over eps: robust accuracy rises by at most 10.00 points"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": 0.0}, "eps=0.0"),
        ({"norm": "l7"}, "norm='l7'"),
        ({"num_steps": 7}, "num_steps=7"),
        ({"samples": -1}, "samples=-1"),
        ({"x": jnp.zeros((0, *SHAPE)), "y": jnp.zeros(0, jnp.int32)}, "no images"),
        ({"y": jnp.full(2, 3)}, "label 3"),
        ({"logits_fn": lambda x: jnp.full((len(x), 3), jnp.nan)}, "not finite"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {
        "logits_fn": lambda x: x.reshape(len(x), -1)[:, :3], "x": jnp.zeros((2, *SHAPE)),
        "y": jnp.zeros(2, jnp.int32), "key": KEY, "eps": EPS,
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        check_model(**(arguments | change))
