"""What holds for tasks that judge images one by one: sums add up, devices give one result.

Tasks that compare the views of a whole batch, or know a single image, are tested by themselves.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.evaluation import Network, on_devices
from rtickets.evaluation.counting import count, counted
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.platform import parallel
from rtickets.tasks import TASKS, Classification, Detection, Keypoints, Segmentation
from rtickets.tasks.base import LISTED

SIZE, COUNT, CLASSES = 16, 12, 2
SMALL = {
    "classification": Classification(metric="balanced"),
    "detection": Detection(
        channels=8, depth=1, levels=("stage1", "stage2"), coarser=0, candidates=32, kept=8, least=0
    ),
    "segmentation": Segmentation(output_stride=4, channels=8),
    "keypoints": Keypoints(channels=8, layers=1, sigma=1.0),
}
# L2, as signs would turn rounding into whole steps.
ROBUST = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.5, num_steps=2, norm="l2"))


def examples():
    """Return images with one square each, and all that is said of them."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 160, (COUNT, SIZE, SIZE, 3)).astype(np.uint8)
    labels = np.arange(COUNT, dtype=np.int32) % CLASSES
    masks_of = np.zeros((COUNT, SIZE, SIZE), np.uint8)
    boxes, classes = np.zeros((COUNT, 2, 4), np.float32), np.full((COUNT, 2), -1, np.int32)
    points, area = np.full((COUNT, 2, 3), 2, np.float32), np.full(COUNT, 64, np.float32)
    for index, label in enumerate(labels):
        top, left = rng.integers(0, SIZE - 8, 2)
        images[index, top : top + 8, left : left + 8] = (250, 5)[label]
        masks_of[index, top : top + 8, left : left + 8] = label + 1
        boxes[index, 0], classes[index, 0] = (top, left, top + 8, left + 8), label
        points[index, :, :2] = (top, left), (top + 8, left + 8)
    return Split({
        "image": images, "label": labels, "mask": masks_of, "boxes": boxes, "classes": classes,
        "keypoints": points, "area": area,
    })  # fmt: skip


def width(task):
    names = [str(number) for number in range(CLASSES)]
    return task.width({"class_names": names, "keypoint_names": names})


@pytest.fixture(scope="module", params=SMALL)
def asked(request, tiny):
    """The task, and a small network with its head, as `Tiny`."""
    task = SMALL[request.param]
    model = ResNet(
        (1, 1), BasicBlock, width(task), width=4, stem="small", mean=(0.5,) * 3, std=(0.3,) * 3,
        make_head=task.head, output_stride=1 if task.backbone_stride else None,
    )  # fmt: skip
    params, stats = models.initialise(model, jax.random.key(0), (SIZE, SIZE, 3))
    return task, tiny._replace(
        model=model, params=params, batch_stats=stats, mask=masks.full(params), split=examples()
    )


def answered(task, small):
    batch = jax.tree.map(jnp.asarray, task.prepare(Transform(), dict(small.split.arrays)))
    outputs = jax.jit(small.model.apply, static_argnums=2)(
        {"params": small.params, "batch_stats": small.batch_stats}, batch["image"], False
    )
    return outputs, batch


def part(tree, chosen):
    return jax.tree.map(lambda leaf: leaf[chosen], tree)


def test_it_is_static(asked):
    task, _ = asked
    assert hash(task) == hash(type(task)(**task.__dict__))
    assert TASKS[task.name] is type(task)
    assert task.headline.called


def test_examples_are_judged_alone_and_sums_add_up(asked):
    task, small = asked
    outputs, batch = answered(task, small)
    sums, listed = jax.jit(task.sums), jax.jit(task.listed)
    whole = sums(outputs, batch)
    parts = [sums(*part((outputs, batch), np.s_[start : start + 4])) for start in (0, 4, 8)]
    chex.assert_trees_all_close(whole, jax.tree.map(lambda *each: sum(each), *parts), rtol=1e-4)
    lists = [listed(*part((outputs, batch), np.s_[start : start + 4])) for start in (0, 4, 8)]
    after = jax.tree.map(lambda *each: jnp.concatenate(each), *lists)
    chex.assert_trees_all_close(listed(outputs, batch), after, rtol=1e-5)
    losses = jax.jit(task.loss)(outputs, batch)
    assert losses.shape == (COUNT,)
    assert losses.dtype == jnp.float32
    assert jnp.isfinite(losses).all()
    assert task.fooled(outputs, batch).shape == (COUNT,)


def test_an_evaluation_is_the_same_on_two_devices_and_in_other_batches(asked):
    task, small = asked
    network = Network(small.model, small.params, small.batch_stats)
    found = [
        count(network, on_devices(small.split, Transform(), parallel.local_devices(devices), task),
              task, batch_size=size)[0]
        for devices, size in ((1, 12), (2, 8))
    ]  # fmt: skip
    chex.assert_trees_all_close(*found, rtol=1e-4, atol=1e-5)
    outputs, batch = answered(task, small)
    alone = counted(task, outputs, batch)
    assert set(alone) == set(found[0])
    if task.name == "detection":
        assert len(found[0][LISTED]["boxes"]) == COUNT
        pytest.importorskip("pycocotools")
    first, second = (task.measures(sums) for sums in found)
    assert task.headline.name in first
    for name, each in first.items():
        assert each.low <= each.value <= each.high
        assert second[name].value == pytest.approx(each.value, abs=1e-4)


def test_two_devices_train_as_one_also_under_attack(asked):
    task, small = asked
    transform = Transform(crop_padding=1, flip=True)
    options = {"task": task, "objective": ROBUST, "transform": transform, "statistics": "frozen"}
    one, losses = small.steps(small.program(**options), 2, rate=0.02)
    assert np.isfinite(losses).all()
    program = small.program(**options, devices=parallel.local_devices(2))
    two, others = small.steps(program, 2, rate=0.02)
    np.testing.assert_allclose(losses, others, rtol=1e-4)
    chex.assert_trees_all_close(one.params, two.params, rtol=1e-3, atol=1e-4)
    moved = jax.tree.map(lambda new, old: np.abs(new - old).max(), one.params, small.params)
    assert max(jax.tree.leaves(moved)) > 1e-4
