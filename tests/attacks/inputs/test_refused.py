"""What attacks refuse, before the model runs or after it ran once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtickets
from rtickets.attacks import (
    Member,
    apgd_ce,
    autoattack,
    pgd,
    worst_case,
)
from rtickets.attacks.radii import check_length
from rtickets.errors import InputError
from tests.attacks.inputs.conftest import ATTACKS, KEY, Model, X, Y, call

NAN = float("nan")
COMMON = [
    ({"x": X + 1}, r"images lie in \[1.5, 1.75\]; expected \[0, 1\]"),
    ({"x": X - 1}, r"images lie in \[-0.5, -0.25\]"),
    ({"x": X * NAN}, r"images lie in \[nan, nan\]"),
    ({"x": np.uint8(255 * X)}, "images are uint8; expected floats"),
    ({"x": X[:0], "y": Y[:0]}, r"there are no images: their shape is \(0, 2, 2, 1\)"),
    ({"y": Y[:2]}, r"labels have shape \(2,\)"),
    ({"y": np.float32(Y)}, "dtype float32; expected integers"),
    ({"eps": -0.1}, "eps=-0.1 must be finite and at least 0"),
    ({"eps": NAN}, "eps=nan must be finite"),
    ({"eps": np.inf}, "eps=inf must be finite"),
    ({"eps": np.full(2, 0.1)}, r"eps has shape \(2,\); expected one number"),
    ({"norm": "l7"}, "norm='l7' is unknown; choose one of linf, l2, l1"),
    ({"key": jax.random.split(KEY, 5)}, r"key has shape \(5,\); expected one key or one per image"),
    ({"key": np.zeros(3, np.uint32)}, r"key is uint32\(3,\); expected jax.random.key\(seed\)"),
    ({"key": 0.5}, r"key is float; expected jax.random.key"),
    ({"key": None}, r"key is NoneType; expected jax.random.key"),
    (
        {"x": X[..., 0, 0, 0]},
        r"images have shape \(3,\); expected a batch .*: for one, take x\[None",
    ),
    ({"x": [[0.5], [0.5, 0.5], [0.1]]}, "images are not an array"),
    ({"y": [0, 1.5, 1]}, "dtype float64; expected integers"),
    ({"y": np.array([0, 2**40, 1])}, "labels lie in 0 ... 1099511627776"),
    ({"eps": "8/255"}, "eps='8/255' is not a number"),
    ({"eps": 8}, "eps=8 in linf is more than 1, .*write 8/255"),
    ({"eps": 8, "norm": "l2"}, "eps=8 in l2 is more than 2, .*write 8/255 .* or 2 to change"),
    ({"eps": 8, "norm": "l1"}, "eps=8 in l1 is more than 4"),
]
PGD = [
    ({"loss": "hinge"}, "loss='hinge' is unknown"),
    ({"rule": "sgd"}, "rule='sgd' is unknown; choose one of steepest, adam"),
    ({"num_steps": -1}, "num_steps=-1"),
    ({"restarts": 0}, "restarts=0 must be at least 1"),
    ({"restarts": 2, "random_start": False}, "restarts=2 .*random_start"),
    ({"samples": -1}, "samples=-1 must be at least 0"),
    ({"step_size": -1.0}, "step_size=-1.0 must be finite"),
    ({"step_size": 2}, "step_size=2 in linf is more than 1, .*write 2/255"),
    ({"eps": np.array([0.1, 0.1, 8])}, "eps=8 in linf is more than 1"),
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
    ({"members": (Member("pgd", step_size=2.0),)}, "step_size=2 in linf .*write 2/255"),
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
    with pytest.raises(InputError, match="folder; create it"):
        call(worst_case, model, folder=tmp_path / "nowhere")
    assert model.runs == 0


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("wrong", "y", "message"),
    [
        (None, np.array([0, 3, 1]), r"label 3 of image 1 .*2"),
        (None, np.array([0, 1, -1]), "label -1 of image 2"),
        (
            lambda logits: jnp.where(logits > 0.6, NAN, logits),
            Y,
            "logits of 1 .*finite",
        ),
        (lambda logits: logits[:, 0], Y, r"logits .*\(\d,\) for \d images"),
        (lambda logits: logits[:, :1], 0 * Y, "expected at least 2 classes"),
    ],
)
def test_what_only_the_model_tells_is_refused_after_one_run(attack, wrong, y, message):
    model = Model(wrong)
    with pytest.raises(InputError, match=message):
        call(attack, model, y=y)
    assert model.runs <= 2  # traced once to be identified, and once for the clean images


def test_a_target_that_the_model_does_not_know_is_refused():
    with pytest.raises(InputError, match="target 3 of image 2"):
        call(pgd, Model(), target=np.array([1, 0, 3]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "cw"}, "'cw' .*pgd"),
        ({"kind": "apgd_ce", "num_steps": 0}, "num_steps=0"),
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
            "restarts=2 .*random_start",
        ),
        ({"kind": "square", "samples": 2}, "square .*random models"),
    ],
)
def test_a_member_that_cannot_be_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Member(**settings)


@pytest.mark.parametrize("length", [0.0, 3, np.float32(0.1), np.array([0.0, 1.0])])
def test_radii_that_can_be_pass(length):
    check_length(length, batch=2)


@pytest.mark.parametrize("settings", [{"num_steps": 2.5}, {"restarts": 1.5}, {"samples": 2.0}])
def test_counts_are_integers(settings):
    (name,) = settings
    with pytest.raises(InputError, match=name):
        Member("apgd_ce", **settings)
    with pytest.raises(InputError, match=name):
        pgd(Model(), X, Y, KEY, eps=0.1, step_size=0.1, **{"num_steps": 1, **settings})


def test_complex_logits_are_refused():
    with pytest.raises(InputError, match="complex64"):
        apgd_ce(Model(lambda logits: logits * 1j), X, Y, KEY, eps=0.1, num_steps=1)


LINEAR = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
POINTS = np.random.default_rng(1).uniform(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"eps": "0.05"}, "eps='0.05'"),
        ({"eps": None}, "eps=None"),
        ({"key": 2**70}, "key=1180591620717411303424"),
        ({"x": np.ma.masked_array(POINTS, POINTS > 0.5)}, "masked array"),
        ({"members": "pgd"}, "members='pgd'"),
        ({"members": ["pgd"]}, r"members=\['pgd'\]"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"folder": "nowhere"}, "nowhere"),
    ],
)
def test_what_an_ensemble_cannot_use_is_named(change, named):
    member = rtickets.attacks.Member("pgd", num_steps=2, step_size=0.02)
    options = {"x": POINTS, "key": 0, "eps": 0.05, "members": [member]} | change
    with pytest.raises(InputError, match=named):
        rtickets.attacks.worst_case(
            lambda x: x @ LINEAR, y=np.arange(5) % 3, norm="linf", **options
        )
