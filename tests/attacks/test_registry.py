"""What holds for every attack of the registry."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from rtickets.attacks import ATTACKS, AttackConfig
from rtickets.attacks.ensemble.from_settings import members_of
from rtickets.attacks.functions import targets_by_logit
from rtickets.attacks.search import Job, run
from rtickets.costs.passes import passes_of_attack
from rtickets.errors import InputError
from rtickets.settings import config_files

CLASSES, SHAPE, EPS = 4, (6, 6, 1), {"linf": 0.1, "l2": 0.5, "l1": 3.0}
KEY = jax.random.key(3)
names = pytest.mark.parametrize("name", ATTACKS)
searches = pytest.mark.parametrize("name", [n for n in ATTACKS if n != "autoattack"])
norms = pytest.mark.parametrize("norm", ["linf", pytest.param("l1", marks=pytest.mark.slow)])


def settings(name, **fields):
    own = {field.name for field in dataclasses.fields(ATTACKS[name])}
    few = {"num_steps": 4, "num_targets": 1}
    return AttackConfig(name=name, **{n: v for n, v in few.items() if n in own}, **fields)


def _logits(weights, x):
    return jnp.tanh(x.reshape(len(x), -1) @ weights[0]) @ weights[1]


WEIGHTS = (
    jax.random.normal(jax.random.fold_in(KEY, 0), (36, 8)),
    jax.random.normal(jax.random.fold_in(KEY, 1), (8, CLASSES)),
)
MODEL = Partial(_logits, WEIGHTS)
X = jax.random.uniform(jax.random.fold_in(KEY, 2), (6, *SHAPE))
OTHERS = X.at[1:].set(jax.random.uniform(jax.random.fold_in(KEY, 4), (5, *SHAPE)))


def attacked(name, norm, eps, x=X):
    """Return what the attack's own search ends at, fooled or not."""
    (member,) = members_of(settings(name, norm=norm, eps=eps), eps)
    logits = MODEL(x)
    y = logits.argmax(-1)
    target = targets_by_logit(logits, y)[:, 0] if member.targeted else y
    radius, step = (jnp.full(len(x), value, jnp.float32) for value in (eps, member.step_size or 0))
    job = Job(x, y, target, jax.random.split(KEY, len(x)), radius, step, jnp.zeros(len(x), bool))
    return run(member.search(norm, CLASSES), MODEL, job)


@searches
@norms
def test_it_stays_in_the_ball_and_in_the_box_and_does_not_look_at_other_examples(name, norm):
    state = attacked(name, norm, EPS[norm])
    delta = np.abs(np.asarray(state.x_adv - X, np.float64)).reshape(len(X), -1)
    length = delta.max(1) if norm == "linf" else delta.sum(1)
    assert (length <= EPS[norm] * (1 + 1e-5)).all()
    assert (np.asarray(state.x_adv) >= 0).all()
    assert (np.asarray(state.x_adv) <= 1).all()
    assert not np.asarray(state.broken).any()
    alone = attacked(name, norm, EPS[norm], OTHERS)
    np.testing.assert_array_equal(alone.x_adv[0], state.x_adv[0])
    assert alone.fooled[0] == state.fooled[0]
    nothing = attacked(name, norm, 0.0)
    np.testing.assert_array_equal(nothing.x_adv, X)


@names
def test_its_cost_adds_up_from_its_own_attributes(name):
    config = settings(name, radii=(0.01,))
    expected = sum(
        2 * member.num_steps * (member.num_targets or 1) * member.restarts
        * member.own.passes_per_step(CLASSES)
        for member in members_of(config, config.eps)
    )  # fmt: skip
    assert passes_of_attack(config, CLASSES) == expected > 0
    per_step = {"square": 1.0, "fab": 1.0 + CLASSES}.get(name, 2.0)
    assert config.passes_per_step(CLASSES) == per_step


@names
def test_it_says_itself_whether_training_can_use_it(name):
    config = settings(name)
    if config.why_not_for_training is None:
        assert config.as_pgd()["num_steps"] == config.steps
    else:
        assert repr(name) in config.why_not_for_training
        with pytest.raises(InputError):
            config.as_pgd()


# What every attack of earlier versions was stored with.
ONCE = {
    "norm": "l2", "eps": 0.25, "num_steps": None, "step_size": None, "random_start": True,
    "loss": "ce", "rule": "steepest", "best": False, "restarts": 1, "num_targets": 9,
    "version": "standard", "radii": [0.1], "input_noise": 0.0, "samples": 20,
}  # fmt: skip


@names
def test_settings_survive_being_stored_and_those_of_earlier_versions_are_read(name):
    config = settings(name, eps=0.1)
    values = json.loads(json.dumps(config_files.to_dict(config)))
    assert config_files.parse(AttackConfig, values) == config
    short = config_files.to_dict(config, exclude_defaults=True)
    assert config_files.parse(AttackConfig, short) == config
    old = config_files.parse(AttackConfig, {"name": name, **ONCE})
    assert old == AttackConfig(name=name, norm="l2", eps=0.25, radii=(0.1,))
