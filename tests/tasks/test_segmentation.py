import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets import data, models
from rtickets.attacks import AttackConfig
from rtickets.config import DataConfig
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.canvas import OnCanvas
from rtickets.data.images.chosen import make_transform
from rtickets.errors import InputError, NothingCountedError
from rtickets.settings import config_files
from rtickets.tasks import ImageTask, Segmentation, task_of
from rtickets.tasks.measured import measured_if_any
from rtickets.tasks.search import attacked
from tests.tasks.by_heart import learn

TASK = Segmentation(output_stride=8, channels=16)


class Values(ImageTask):
    """A task whose answers have no parts."""

    name = "values"


def squares(seed=0, count=4, size=32):
    """Return images with a bright square (class 1) and a dark one (class 2), and their masks."""
    rng = np.random.default_rng(seed)
    images = rng.integers(100, 130, (count, size, size, 3)).astype(np.uint8)
    masks = np.zeros((count, size, size), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        for label, value in ((1, 250), (2, 5)):
            top, left = rng.integers(0, size - 14, 2)
            image[top : top + 14, left : left + 14] = value
            mask[top : top + 14, left : left + 14] = label
        mask[:2] = 255
    return images, masks


def raw(**changes):
    images, masks = squares()
    arrays = {"image": images, "mask": masks, **changes}
    split = Split({name: each for name, each in arrays.items() if each is not None})
    return Raw(split, split, ("bright", "dark"), split)


def batch(count=4):
    images, masks = squares(count=count)
    return {"image": images / np.float32(255), "mask": masks}


def test_the_loss_of_an_image_is_the_mean_over_its_pixels_that_count():
    outputs = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    masks = batch(2)["mask"].copy()
    masks[1] = 255
    found = TASK.loss(outputs, {"mask": masks})
    kept = masks[0] != 255
    each = optax.softmax_cross_entropy_with_integer_labels(outputs[0][kept], masks[0][kept])
    np.testing.assert_allclose(found, [each.mean(), 0], rtol=1e-6)
    gradient = jax.grad(lambda z: TASK.loss(z, {"mask": masks}).sum())(outputs)
    assert (gradient[1] == 0).all()
    assert (gradient[0][~kept] == 0).all()


def test_answers_are_judged_at_the_resolution_of_the_mask():
    masks = np.zeros((1, 8, 8), np.uint8)
    masks[:, :, 4:] = 1
    outputs = jnp.zeros((1, 2, 2, 3)).at[:, :, 0, 0].set(5.0).at[:, :, 1, 1].set(5.0)
    found = TASK.measures(TASK.sums(outputs, {"mask": masks}))
    assert found["miou"].value == 1
    assert found["pixel_accuracy"].value == 1


def test_images_and_masks_move_alike():
    masks = squares(count=8)[1]
    marked = {"image": np.repeat(masks[..., None], 3, -1), "mask": masks}
    for transform in (
        Transform(flip=True, crop_padding=4),
        Transform(size=(16, 16), flip=True),
        Transform(size=(32, 32), random_crop=(0.3, 0.9)),
    ):
        keys = jax.random.split(jax.random.key(1), 8)
        moved = TASK.augment(transform, keys, marked)
        # Where an image is not mixed, its pixels are those of its mask.
        seen = np.rint(np.asarray(moved["image"][..., 0]) * 255)
        mask = np.asarray(moved["mask"])
        inside = (mask != 255) & (seen == np.roll(seen, 1, 1)) & (seen == np.roll(seen, 1, 2))
        assert (seen == mask)[inside].mean() > 0.97
        assert set(np.unique(mask)) <= {0, 1, 2, 255}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mask": None}, "'mask'"),
        ({"mask": np.full((4, 32, 32), 3, np.uint8)}, "value 3"),
        ({"mask": np.zeros((4, 32, 31), np.uint8)}, r"\(4, 32, 31\)"),
        ({"mask": np.zeros((4, 32, 32, 3), np.uint8)}, r"\(4, 32, 32, 3\)"),
        ({"mask": np.zeros((4, 32, 32), np.float32)}, "float32"),
        ({"mask": np.full((4, 32, 32), -1, np.int32)}, "value -1"),
        ({"mask": np.full((4, 32, 32), 255, np.uint8)}, "all pixels .* 255"),
    ],
)
def test_masks_are_checked(change, named):
    with pytest.raises(InputError, match=named):
        TASK.check(raw(**change), "here")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_the_value_of_pixels_that_do_not_count_fits_into_masks(dtype):
    task = config_files.replace(TASK, ignored=300)
    name = np.dtype(dtype).name
    most = np.iinfo(dtype).max
    with pytest.raises(InputError, match=rf"{name}.*task\.ignored=300.*0 to {most}"):
        task.check(raw(mask=np.ones((4, 32, 32), dtype)), "here")
    task.check(raw(mask=np.ones((4, 32, 32), np.int16)), "here")


@pytest.mark.parametrize("ignored", [0, 21, 254])
def test_the_canvas_of_streamed_masks_does_not_count(ignored):
    def read(number):
        raise AssertionError("they are read when they are needed")

    masks = OnCanvas(read, str, np.arange(4), (32, 32), fill=255)
    TASK.check(raw(mask=masks), "here")
    task = config_files.replace(TASK, ignored=ignored)
    with pytest.raises(InputError, match=rf"255.*task\.ignored={ignored}.*task\.ignored=255"):
        task.check(raw(mask=masks), "here")


def test_classes_without_a_pixel_are_said():
    masks = squares()[1]
    assert TASK.check(raw(), "here") == ()
    (note,) = TASK.check(raw(mask=np.where(masks == 2, 0, masks)), "here")
    assert "dark" in note


def test_a_batch_is_learnt_by_heart():
    network = models.build(
        "resnet18", 3, width=1 / 16, stem="imagenet", make_head=TASK.head, output_stride=8
    )
    examples = jax.tree.map(jnp.asarray, batch())
    *_, outputs = learn(network, TASK.loss, examples, steps=150, learning_rate=3e-3)
    assert TASK.measures(TASK.sums(outputs, examples))["miou"].value > 0.95


def test_where_no_pixel_counts_there_is_no_measure():
    examples = batch(2)
    nothing = {**examples, "mask": np.full_like(examples["mask"], 255)}
    sums = TASK.sums(jnp.zeros((2, 32, 32, 3)), nothing)
    assert TASK.baseline(sums) is None
    with pytest.raises(NothingCountedError, match=r"task\.ignored.*other images") as error:
        TASK.measures(sums)
    assert "\n" not in str(error.value)
    assert measured_if_any(TASK, sums) == {}


def test_a_configuration_names_it(monkeypatch):
    monkeypatch.setitem(SOURCES, "squares", Source(lambda config, view: raw(), "squares", ""))
    named = {"source": "squares", "task": {"name": "segmentation", "channels": 16}}
    config = config_files.parse(DataConfig, named)
    assert task_of(config) == Segmentation(channels=16)
    dataset = data.load(config)
    transform = make_transform(config).left_to_do(dataset)
    (seen,) = task_of(config).input_spec(transform, dataset.train.spec)
    assert seen.shape == (32, 32, 3)
    assert task_of(config).width(task_of(config).about(dataset)) == 3


def test_pictures_show_right_and_answered_classes_in_their_colours():
    examples = batch(2)
    right = jax.nn.one_hot(np.where(examples["mask"] == 255, 0, examples["mask"]), 3)
    painted = TASK.painted(right, examples)
    np.testing.assert_array_equal(painted["image"], examples["image"])
    np.testing.assert_allclose(painted["answer"], painted["truth"])
    wrong = TASK.painted(jnp.zeros_like(right).at[..., 1].set(1), examples)["answer"]
    assert (wrong != painted["truth"]).any(-1)[examples["mask"] == 2].all()
    for images in painted.values():
        assert images.shape == (2, 32, 32, 3)
        assert images.min() >= 0
        assert images.max() <= 1


def test_segpgd_weights_right_and_wrong_pixels_as_published():
    # Logits (a, 0) of two classes: the cross-entropy of class 0 is log(1 + exp(-a)).
    masks = np.array([[[0, 0, 0, 255]]], np.uint8).repeat(2, 0)
    margins = np.array([[[2.0, 0.5, -1.0, -3.0]]], np.float32).repeat(2, 0)
    outputs = jnp.stack([jnp.asarray(margins), jnp.zeros_like(margins)], -1)
    each = np.log1p(np.exp(-margins[0, 0, :3]))  # right, right, wrong; the last does not count
    progress = jnp.array([0.0, 0.8])
    found = TASK.ascent(outputs, {"mask": masks}, progress)
    late = progress / 2  # (t - 1) / 2T in the paper
    expected = [((1 - lam) * (each[0] + each[1]) + lam * each[2]) / 3 for lam in late]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(TASK.harm(outputs, {"mask": masks}), [1 / 3, 1 / 3], rtol=1e-6)


@pytest.mark.parametrize("best", [False, True])
def test_segpgd_leaves_a_pixel_that_is_wrong_for_those_that_are_right(best):
    # A pixel x answers class 1 with the logit 4 x - 2, and class 0 is right: x > 0.5 is wrong. The
    # first step of an attack without a random start must move right pixels alone.
    images = jnp.array([0.3, 0.45, 0.7]).reshape(1, 1, 3, 1)
    examples = {"image": images, "mask": jnp.zeros((1, 1, 3), jnp.uint8)}

    def outputs_fn(x):
        return jnp.concatenate([jnp.zeros_like(x), 4 * x - 2], -1)

    settings = AttackConfig(name="segpgd", eps=0.1, num_steps=1, step_size=0.1, random_start=False)
    keys = jax.random.split(jax.random.key(0), 1)
    options = {**settings.as_pgd(), "best": best}
    found = attacked(TASK, outputs_fn, examples, keys, **options)[0, 0, :, 0]
    np.testing.assert_allclose(found, [0.4, 0.55, 0.7], atol=1e-6)
    plain = AttackConfig(name="pgd", eps=0.1, num_steps=1, step_size=0.1, random_start=False)
    moved = attacked(TASK, outputs_fn, examples, keys, **plain.as_pgd())[0, 0, :, 0]
    np.testing.assert_allclose(moved, [0.4, 0.55, 0.8], atol=1e-6)


def test_segpgd_is_of_answers_with_parts():
    examples = {"image": jnp.zeros((1, 2, 2, 1)), "target": jnp.zeros((1, 1))}
    keys = jax.random.split(jax.random.key(0), 1)
    settings = AttackConfig(name="segpgd").as_pgd()
    with pytest.raises(InputError, match=r"'segpgd'.*Values"):
        attacked(Values(), lambda x: x.reshape(1, -1), examples, keys, **settings)


def test_the_baseline_is_the_commonest_class_everywhere():
    masks = batch()["mask"]
    outputs = jax.nn.one_hot(np.zeros(masks.shape, int), 3)  # the ground, which most pixels are
    found = TASK.measures(TASK.sums(outputs, {"mask": masks}))
    assert TASK.baseline(TASK.sums(1 - outputs, {"mask": masks})) == pytest.approx(
        found["miou"].value, rel=1e-6
    )


def test_every_class_is_shown_where_there_is_most_of_it():
    examples = batch(4)
    masks = examples["mask"].copy()
    masks[:, :, 20:] = np.where(masks[:, :, 20:] == 2, 0, masks[:, :, 20:])
    right = jax.nn.one_hot(np.where(masks == 255, 0, masks), 3)
    rows = TASK.painted_classes(right, {**examples, "mask": masks}, most=2)
    assert set(rows) == {1, 2}
    most = np.argsort(-(masks == 2).sum((1, 2)), kind="stable")[:2]
    green = np.asarray(rows[2])[..., 1] > np.asarray(rows[2])[..., 0] + 0.1
    np.testing.assert_array_equal(green, masks[most] == 2)
    assert TASK.painted_classes(right, {**examples, "mask": np.zeros_like(masks)}, 2) == {}
