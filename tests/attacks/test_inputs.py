"""Everything an attack refuses, and that it refuses what it can before the model is run."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rtickets
from rtickets.attacks import (
    Member,
    apgd_ce,
    autoattack,
    example_keys,
    fab_t,
    pgd,
    square,
    worst_case,
)
from rtickets.attacks.honesty import check_model
from rtickets.attacks.inputs import clean_logits
from rtickets.attacks.radii import check_length
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


def test_keys_belong_to_positions_or_to_the_caller():
    derived = example_keys(KEY, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(derived[2]), jax.random.key_data(jax.random.fold_in(KEY, 2))
    )
    given = jax.random.split(KEY, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(example_keys(given, 3)), jax.random.key_data(given)
    )


# --- what else is accepted ------------------------------------------------------------------------

SOME = np.random.default_rng(3).uniform(size=(3, 2, 2, 1)).astype(np.float32)


def linear(x):
    return x.reshape(len(x), -1)[:, :3]


def moved(model, x, y, key):
    x_adv = pgd(model, x, y, key, eps=0.1, step_size=0.1, num_steps=1)
    assert x_adv.dtype == jnp.float32
    return x_adv


@pytest.mark.parametrize(
    "changes",
    [
        {"key": 0},
        {"key": np.int64(0)},
        {"key": jnp.int32(0)},
        {"key": jax.random.PRNGKey(0)},
        {"key": np.asarray(jax.random.PRNGKey(0))},
        {"key": jax.random.key_data(example_keys(KEY, 3))},
        {"y": [0, 1, 1]},
        {"y": np.uint8(Y)},
        {"y": jnp.asarray(Y)},
        {"x": np.float64(SOME)},
        {"x": jnp.asarray(SOME)},
        {"x": SOME.tolist()},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_the_same_input_in_another_form_gives_the_same_result(changes):
    given = {"x": SOME, "y": Y, "key": KEY}
    expected = moved(linear, **given)
    np.testing.assert_array_equal(moved(linear, **given | changes), expected)
    assert np.abs(expected - SOME).max() > 0.09


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_images_of_half_precision_are_attacked_in_float32(dtype):
    x = jnp.asarray(SOME, dtype)
    np.testing.assert_array_equal(moved(linear, x, Y, 0), moved(linear, np.float32(x), Y, 0))


CONSTANT = {
    "pgd": moved,
    "apgd_ce": partial(apgd_ce, eps=0.1, num_steps=1),
    "fab_t": partial(fab_t, eps=0.1, num_steps=1, num_targets=1),
    "square": partial(square, eps=0.1, num_queries=2),
}


@pytest.mark.parametrize("attack", CONSTANT.values(), ids=CONSTANT)
def test_images_may_be_constants_of_a_compiled_function(attack):
    inside = jax.jit(lambda weight: attack(lambda x: weight * linear(x), SOME, Y, 0))
    expected = attack(lambda x: 2 * linear(x), SOME, Y, 0)
    np.testing.assert_allclose(inside(jnp.float32(2)), expected, atol=1e-6)
    with pytest.raises(InputError, match="images lie in"):
        jax.jit(lambda: attack(linear, SOME + 1, Y, KEY))()


@pytest.mark.parametrize("attack", CONSTANT.values(), ids=CONSTANT)
@pytest.mark.parametrize("kind", [np.array, jnp.array])
@pytest.mark.parametrize("label", [7, -3])
def test_labels_that_are_constants_of_a_compiled_function_are_checked(attack, kind, label):
    wrong = kind([0, label, 1])
    with pytest.raises(InputError, match=rf"label {label} of image 1 is not in 0 \.\.\. 2"):
        jax.jit(lambda x: attack(linear, x, wrong, KEY))(SOME)
    fine = jax.jit(lambda x, y: attack(linear, x, y, KEY))(SOME, Y)  # of these nothing is known
    np.testing.assert_allclose(
        jax.jit(lambda x: attack(linear, x, kind(Y), KEY))(SOME), fine, atol=1e-6
    )


def test_targets_that_are_constants_of_a_compiled_function_are_checked():
    wrong = np.array([1, 0, 5])
    with pytest.raises(InputError, match=r"target 5 of image 2 is not in 0 \.\.\. 2"):
        jax.jit(lambda x, y: call(pgd, linear, x=x, y=y, target=wrong))(SOME, Y)


MASKED = {"x": SOME, "y": Y, "key": np.zeros(2, np.uint32), "eps": np.full(3, 0.1)}
MASKED_OF_PGD = {"step_size": np.full(3, 0.1), "target": Y}


@pytest.mark.parametrize(
    ("attack", "name", "value"),
    [
        *((attack, *each) for attack in ATTACKS for each in MASKED.items()),
        *((pgd, *each) for each in MASKED_OF_PGD.items()),
    ],
)
def test_what_a_mask_hides_is_refused(attack, name, value):
    words = {"y": "labels", "x": "images", "target": "targets"}.get(name, name)
    hidden = np.zeros(value.shape, bool)
    hidden[0] = True
    masked = np.ma.masked_array(value, hidden)
    for each in (masked, list(masked)) if name == "x" else (masked,):
        with pytest.raises(InputError, match=f"{words}: a masked array"):
            call(attack, linear, **{name: each})


@pytest.mark.parametrize("attack", [worst_case, autoattack, check_model])
def test_what_decides_on_the_host_says_so_while_traced(attack):
    with pytest.raises(InputError, match=r"inside jax\.jit"):
        jax.jit(lambda: attack(linear, SOME, Y, KEY, eps=0.1))()
    with pytest.raises(InputError, match=r"inside jax\.jit"):
        jax.jit(lambda x: attack(linear, x, Y, KEY, eps=0.1))(SOME)
    for transform in (jax.grad, jax.vmap):  # without jit, only the model's weight is traced
        with pytest.raises(InputError, match=r"inside jax\.jit, jax\.vmap or jax\.grad"):
            transform(lambda w: attack(lambda x: w * linear(x), SOME, Y, KEY, eps=0.1))(
                jnp.float32(2) if transform is jax.grad else jnp.ones(2)
            )


@pytest.mark.parametrize(
    ("shape", "norm", "eps"), [((12,), "linf", 0.5), ((3, 4), "l2", 2.0), ((2, 3, 2, 1), "l1", 6.0)]
)
def test_vectors_and_sequences_are_attacked_as_images_are(shape, norm, eps):
    generator = np.random.default_rng(5)
    x = generator.uniform(0.3, 0.7, size=(3, *shape)).astype(np.float32)
    weights = generator.normal(size=(12, 3)).astype(np.float32)

    def model(x):
        return x.reshape(len(x), -1) @ weights

    y = model(x).argmax(-1)
    members = Member("apgd_ce", 2), Member("fab", 2), Member("fab_t", 2, num_targets=1)
    for member in members:
        found = worst_case(model, x, y, KEY, eps=eps, norm=norm, members=(member,))
        assert found.x_adv.shape == x.shape
        assert not found.robust.any()
    x_adv = pgd(model, x, y, KEY, eps=eps, step_size=eps, num_steps=1, norm=norm)
    assert (model(x_adv).argmax(-1) != y).all()


def test_square_alone_needs_images():
    x = np.random.default_rng(5).uniform(size=(3, 12)).astype(np.float32)
    for attack in (square, worst_case):
        model = Model()
        with pytest.raises(InputError, match=r"square .*\(B, H, W, C\).* \(3, 12\)"):
            attack(model, x, Y, KEY, eps=0.1)
        assert model.runs == 0


def test_a_model_of_vectors_is_checked_without_square():
    x = np.random.default_rng(5).uniform(size=(16, 12)).astype(np.float32)
    weights = np.random.default_rng(6).normal(size=(12, 3)).astype(np.float32)
    y = ((x - 0.5) @ weights).argmax(-1)
    verdict = check_model(lambda x: (x - 0.5) @ weights, x, y, 0, eps=1e-3, num_steps=8)
    assert "black box" not in [finding.check for finding in verdict.findings]
    assert "unbounded" in [finding.check for finding in verdict.findings]


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


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.2), ("l1", 0.3)])
def test_attacks_are_in_float32_where_jax_has_64_bits(norm, eps):
    x, y, w = np.full((2, 4), 0.5), np.array([0, 1]), np.eye(4, 3)
    settings = {"eps": eps, "step_size": eps, "num_steps": 1, "norm": norm}
    attack = partial(pgd, y=y, key=0, random_start=False, **settings)
    expected = attack(lambda x: x @ w, x)
    with jax.enable_x64(True):
        found = attack(lambda x: x @ w, x)
        far = jnp.array([2**32, 1])
        with pytest.raises(InputError, match=r"labels lie in .*4294967296"):
            pgd(lambda x: x @ w, x, far, 0, **settings)
        started = pgd(lambda x: x @ w, x, y, 0, **settings)
    assert found.dtype == started.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_radii_and_images_of_other_kinds_are_read():
    x, y, w = np.full((2, 4), 0.5), np.array([0, 1]), np.eye(4, 3)
    for eps in (jnp.bfloat16(0.125), jnp.full(2, 0.125, jnp.bfloat16), np.float16(0.125)):
        found = pgd(lambda x: x @ w, x, y, 0, eps=eps, step_size=1, num_steps=1)
        assert np.abs(found - x).max() == pytest.approx(0.125)
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="images are not an array"):
        pgd(
            lambda x: x @ w,
            torch.tensor(x, requires_grad=True),
            y,
            0,
            eps=1,
            step_size=1,
            num_steps=1,
        )


def test_dead_layers_that_a_model_closes_over_keep_their_answers():
    kernels = [np.zeros((3, 3, width, 32), np.float32) for width in (16, 32)]
    biases = np.linspace(1, 2, 32, dtype=np.float32)
    x = np.random.default_rng(0).random((4, 7, 7, 16)).astype(np.float32)
    for number in range(6):  # with kernels as constants about every second one was wrong

        def model(x, number=number):
            for kernel in kernels:
                x = jax.lax.conv_general_dilated(
                    x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = jax.nn.relu(x + biases)
            return x.mean((1, 2)) + 0 * number

        found = clean_logits(model, x, jax.random.split(KEY, len(x)))
        np.testing.assert_allclose(found, np.tile(biases, (4, 1)), rtol=1e-6)
