"""Everything an attack refuses, and that it refuses what it can before the model is run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks import Member, apgd_ce, autoattack, example_keys, pgd, worst_case
from rtickets.attacks.inputs import check_radius
from rtickets.errors import InputError

KEY = jax.random.key(0)
NAN = float("nan")
X = np.full((3, 2, 2, 1), 0.5, np.float32)
X[1] = 0.75
Y = np.array([0, 1, 1])


class Model:
    """A linear model of three classes that knows whether it was run."""

    def __init__(self, wrong=None):
        self.runs, self.wrong = 0, wrong

    def __call__(self, x):
        self.runs += 1
        logits = x.reshape(len(x), -1) @ jnp.eye(4)[:, :3]
        return logits if self.wrong is None else self.wrong(logits)


def call(attack, model, **changes):
    settings = {"x": X, "y": Y, "key": KEY, "eps": 0.1} | changes
    x, y, key = (settings.pop(name) for name in ("x", "y", "key"))
    if attack is pgd:
        settings = {"step_size": 0.1, "num_steps": 1} | settings
    return attack(model, x, y, key, **settings)


ATTACKS = (pgd, apgd_ce, worst_case)
COMMON = [
    ({"x": X + 1}, r"images lie in \[1.5, 1.75\]; expected \[0, 1\]"),
    ({"x": X - 1}, r"images lie in \[-0.5, -0.25\]"),
    ({"x": X * NAN}, r"images lie in \[nan, nan\]"),
    ({"x": np.uint8(255 * X)}, "images are uint8; expected floats"),
    ({"x": X[:0], "y": Y[:0]}, "there are no images to attack"),
    ({"y": Y[:2]}, r"labels have shape \(2,\)"),
    ({"y": np.float32(Y)}, "dtype float32; expected integers"),
    ({"eps": -0.1}, "eps=-0.1 must be finite and at least 0"),
    ({"eps": NAN}, "eps=nan must be finite"),
    ({"eps": np.inf}, "eps=inf must be finite"),
    ({"eps": np.full(2, 0.1)}, r"eps has shape \(2,\); expected one number"),
    ({"norm": "l7"}, "norm='l7' is unknown; choose one of linf, l2, l1"),
    ({"key": jax.random.split(KEY, 5)}, r"key has shape \(5,\); expected one key or one per image"),
    ({"key": np.zeros(2, np.uint32)}, r"key is an array of uint32; expected a key of jax.random"),
]
PGD = [
    ({"loss": "hinge"}, "loss='hinge' is unknown"),
    ({"rule": "sgd"}, "rule='sgd' is unknown; choose one of steepest, adam"),
    ({"num_steps": -1}, "num_steps=-1"),
    ({"restarts": 0}, "restarts=0 must be at least 1"),
    ({"restarts": 2, "random_start": False}, "restarts=2 must be .* 1 without random_start"),
    ({"samples": -1}, "samples=-1 must be at least 0"),
    ({"step_size": -1.0}, "step_size=-1.0 must be finite"),
    ({"eps": np.array([0.1, -0.1, 0.1])}, "must be finite and at least 0"),
    ({"target": np.array([1, 0])}, r"targets have shape \(2,\)"),
]
APGD = [({"num_steps": 0}, "num_steps=0"), ({"restarts": 0}, "restarts=0"),
        ({"samples": -1}, "samples=-1")]  # fmt: skip
RANDOM = (Member("apgd_ce"), Member("apgd_ce", samples=2))
WORST = [
    ({"version": "quick"}, "version='quick' is unknown; choose standard, plus, rand, fast"),
    ({"batch_size": 0}, "batch_size=0 must be at least 1"),
    ({"members": ()}, "expected one or more"),
    ({"members": RANDOM}, "all or none may have samples"),
]


@pytest.mark.parametrize(
    ("attack", "changes", "message"),
    [
        *((attack, *each) for attack in ATTACKS for each in COMMON),
        *((pgd, *each) for each in PGD),
        *((apgd_ce, *each) for each in APGD),
        *((worst_case, *each) for each in WORST),
        (autoattack, {"version": "quick"}, "version='quick' is unknown"),
    ],
)
def test_bad_input_is_refused_before_the_model_runs(attack, changes, message):
    model = Model()
    with pytest.raises(InputError, match=message):
        call(attack, model, **changes)
    assert model.runs == 0


def test_a_folder_that_is_missing_is_refused_before_the_model_runs(tmp_path):
    model = Model()
    with pytest.raises(InputError, match="is not a folder; create it first"):
        call(worst_case, model, folder=tmp_path / "nowhere")
    assert model.runs == 0


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("wrong", "y", "message"),
    [
        (None, np.array([0, 3, 1]), r"label 3 of image 1 is not in 0 \.\.\. 2"),
        (None, np.array([0, 1, -1]), "label -1 of image 2"),
        (
            lambda logits: jnp.where(logits > 0.6, NAN, logits),
            Y,
            "logits of 1 clean images are not finite",
        ),
        (lambda logits: logits[:, 0], Y, r"returned logits of shape \(3,\) for 3 images"),
        (lambda logits: logits[:, :1], 0 * Y, "of at least 2 classes"),
    ],
)
def test_what_only_the_model_tells_is_refused_after_one_run(attack, wrong, y, message):
    model = Model(wrong)
    with pytest.raises(InputError, match=message):
        call(attack, model, y=y)
    assert model.runs == 1


def test_a_target_that_the_model_does_not_know_is_refused():
    with pytest.raises(InputError, match="target 3 of image 2 is not in 0"):
        call(pgd, Model(), target=np.array([1, 0, 3]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "cw"}, "attack 'cw' is unknown; choose of pgd"),
        ({"kind": "apgd_ce", "num_steps": 0}, "num_steps=0 must be at least 1"),
        ({"kind": "apgd_ce", "restarts": 0}, "restarts=0"),
        ({"kind": "apgd_ce", "samples": -1}, "samples=-1"),
        ({"kind": "apgd_t", "num_targets": 0}, "num_targets=0"),
        ({"kind": "apgd_t"}, "num_targets=None of 'apgd_t'"),
        ({"kind": "apgd_ce", "num_targets": 3}, "num_targets=3 of 'apgd_ce'"),
        ({"kind": "pgd"}, "step_size=None of 'pgd'"),
        ({"kind": "square", "step_size": 0.1}, "step_size=0.1 of 'square'"),
        ({"kind": "pgd", "step_size": -0.1}, "step_size=-0.1 must be finite"),
        ({"kind": "pgd", "step_size": NAN}, "step_size=nan must be finite"),
        ({"kind": "pgd", "step_size": 0.1, "loss": "hinge"}, "loss='hinge' is unknown"),
        ({"kind": "pgd", "step_size": 0.1, "rule": "sgd"}, "rule='sgd' is unknown"),
        (
            {"kind": "pgd", "step_size": 0.1, "restarts": 2, "random_start": False},
            "restarts=2 must be 1 without random_start",
        ),
        ({"kind": "square", "samples": 2}, "square is not defined for random models"),
    ],
)
def test_a_member_that_cannot_be_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Member(**settings)


@pytest.mark.parametrize("length", [0.0, 3, np.float32(0.1), np.array([0.0, 1.0])])
def test_radii_that_can_be_pass(length):
    check_radius(length, batch=2)


def test_keys_belong_to_positions_or_to_the_caller():
    derived = example_keys(KEY, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(derived[2]), jax.random.key_data(jax.random.fold_in(KEY, 2))
    )
    given = jax.random.split(KEY, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(example_keys(given, 3)), jax.random.key_data(given)
    )
