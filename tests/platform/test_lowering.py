"""Programs lower for GPUs and TPUs, which are not here: loops rolled, bfloat16 where asked."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models, training
from rtickets.attacks.registry import ATTACKS
from rtickets.attacks.search import Job, run
from rtickets.config import AttackConfig, EncoderConfig, ObjectiveConfig
from rtickets.data import Split
from rtickets.data.images.augment import Transform
from rtickets.data.text.tokenizers import Vocabulary
from rtickets.draw.searching import channels
from rtickets.masks.gates import GATES, SCORES, GateConfig, LearnedMask, initial_scores
from rtickets.models import LinearHead
from rtickets.models.bert import Bert
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.models.supernet import Joined, Stage, Table, supernet
from rtickets.platform import parallel
from rtickets.tasks import (
    TASKS,
    Classification,
    Detection,
    Keypoints,
    MaskedTokens,
    Moco,
    QuestionAnswering,
    Segmentation,
    SimClr,
    TextClassification,
    TextRegression,
    TokenClassification,
)
from rtickets.training.objectives import OBJECTIVES
from rtickets.training.sparse_scales import SearchState

SIZE, CLASSES = 16, 2
TASKS_HERE = {
    "classification": Classification(),
    "detection": Detection(
        channels=8, depth=1, levels=("stage1", "stage2"), coarser=0, candidates=32, kept=8, least=0
    ),
    "segmentation": Segmentation(output_stride=4, channels=8),
    "keypoints": Keypoints(channels=8, layers=1, rotation=30.0, scale=0.3),
    "simclr": SimClr(projection=8),
    "moco": Moco(projection=8, hidden=8, queue=16),
}
KNOWN = Vocabulary(24, padding=0, start=1, end=2, hidden=3, unknown=4, digest="d")
TEXTS_HERE = {
    "masked_tokens": MaskedTokens(vocabulary=KNOWN),
    "text_classification": TextClassification(vocabulary=KNOWN),
    "text_regression": TextRegression(vocabulary=KNOWN),
    "token_classification": TokenClassification(vocabulary=KNOWN),
    "question_answering": QuestionAnswering(vocabulary=KNOWN),
}
SEARCHES = [name for name, entry in ATTACKS.items() if entry.is_search]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """Programs are traced as if the default device were an accelerator."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    jax.clear_caches()


def lowered(function, *arguments):
    """Return the text of a function of one device's part, the same for both kinds of device."""
    mapped = jax.vmap(function, in_axes=None, out_axes=None, axis_name=parallel.AXIS, axis_size=1)
    traced = jax.jit(mapped).trace(*arguments)
    texts = [traced.lower(lowering_platforms=(name,)).as_text() for name in ("cuda", "tpu")]
    assert all("stablehlo" in text for text in texts)
    return texts[-1]


def operations(text):
    """Return the kinds of all convolutions and products of matrices."""
    found = re.findall(r"stablehlo\.(?:convolution|dot_general)\b.*-> tensor<([^>]*)>", text)
    assert found
    return [kind.rpartition("x")[2] for kind in found]


def small(tiny, task, dtype):
    """Return the tiny network with a task's head, and examples of everything."""
    width = task.width({"class_names": ["0", "1"], "keypoint_names": ["0", "1"]})
    model = ResNet(
        (1, 1), BasicBlock, width, width=4, stem="small", mean=(0.5,) * 3, std=(0.3,) * 3,
        make_head=task.head, output_stride=1 if task.backbone_stride else None, dtype=dtype,
    )  # fmt: skip
    params, stats = models.initialise(model, jax.random.key(0), (SIZE, SIZE, 3))
    arrays = {
        "image": np.zeros((8, SIZE, SIZE, 3), np.uint8), "label": np.zeros(8, np.int32),
        "mask": np.zeros((8, SIZE, SIZE), np.uint8), "boxes": np.zeros((8, 2, 4), np.float32),
        "classes": np.zeros((8, 2), np.int32),
        "keypoints": np.ones((8, 2, 3), np.float32), "area": np.ones(8, np.float32),
    }  # fmt: skip
    mask = masks.full(params)
    return tiny._replace(
        model=model, params=params, batch_stats=stats, mask=mask, split=Split(arrays)
    )


def step_of(tiny, task, *, dtype="float32", learned=None, **changes):
    """Return the text of a training step."""
    used = small(tiny, task, dtype)
    if learned is not None:
        scores = initial_scores(learned, used.params, jax.random.key(0))
        kept = jax.tree.map(lambda _: True, scores)
        used = used._replace(
            params={**used.params, SCORES: scores}, mask={**used.mask, SCORES: kept}
        )
        changes = {"learned_mask": learned, "trainable": "scores", "statistics": "frozen"}
    options = {"task": task, "input_shape": (SIZE, SIZE, 3), "transform": Transform(flip=True)}
    program = used.program(**{**options, **changes})
    state = training.init_state(program, used.params, used.batch_stats, used.mask)
    data = training.RunData(jax.random.key(0), jnp.float32(0.1))
    raw = {name: jnp.asarray(array) for name, array in used.split.arrays.items()}
    return lowered(partial(training.train_step, program), state, used.mask, data, raw)


def robust(steps):
    return ObjectiveConfig(name="pgd", attack=AttackConfig(norm="linf", eps=0.1, num_steps=steps))


def test_nothing_of_the_registries_is_left_out():
    # Single pictures are fitted by steps of their own: tests/restoration/test_fitting.py.
    assert {*TASKS_HERE, *TEXTS_HERE, "restoration"} == set(TASKS)


@pytest.mark.parametrize("name", TASKS_HERE)
def test_steps_of_every_task_in_bfloat16_with_their_attack_in_a_loop(tiny, name):
    short, long = (
        operations(step_of(tiny, TASKS_HERE[name], dtype=jnp.bfloat16, objective=robust(steps)))
        for steps in (3, 9)
    )
    assert len(short) == len(long)
    # Of the backbone's 6 kernels: two passes and their gradients to the images, one to the weights.
    assert long.count("bf16") >= 5 * 6 - 1


@pytest.mark.parametrize("name", TEXTS_HERE)
def test_steps_of_every_task_on_texts(tiny, name):
    task = TEXTS_HERE[name]
    sizes = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=KNOWN.size, positions=8)
    widths = {"masked_tokens": KNOWN.size, "text_regression": 1, "token_classification": 3}
    width = widths.get(name, 2)
    model = Bert(width, sizes, jnp.bfloat16, task.head)
    part = np.ones((8, 8), np.uint8)
    split = Split({
        "tokens": part.astype(np.int32), "part": part, "segment": part,
        "label": np.zeros(8, np.int32), "value": np.zeros(8, np.float32),
        "tags": np.zeros((8, 8), np.int32), "first": np.ones(8, np.int32),
        "last": np.ones(8, np.int32),
    })  # fmt: skip
    params, _ = models.initialise(
        model, jax.random.key(0), task.input_spec(Transform(), split.spec)
    )
    used = tiny._replace(
        model=model, params=params, batch_stats={}, mask=masks.full(params), split=split
    )
    robust = ObjectiveConfig(name="embeddings", features=16)
    program = used.program(task=task, objective=robust, transform=Transform())
    state = training.init_state(program, params, {}, used.mask)
    data = training.RunData(jax.random.key(0), jnp.float32(0.1))
    raw = {name: jnp.asarray(array) for name, array in split.arrays.items()}
    text = lowered(partial(training.train_step, program), state, used.mask, data, raw)
    # Six kernels of a layer, forward and backward to inputs and weights.
    assert text.count("bf16") >= 3 * 6


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"embeddings"}))
def test_steps_of_every_objective(tiny, name):
    text = step_of(tiny, Classification(), objective=OBJECTIVES[name]())
    assert "bf16" not in text
    assert set(operations(text)) == {"f32"}


@pytest.mark.parametrize("name", GATES)
def test_steps_of_every_gate(tiny, name):
    learned = LearnedMask(0.5, gate=GateConfig(name=name))
    kinds = operations(step_of(tiny, Classification(), learned=learned))
    # Weights are frozen, but scores get a gradient of every kernel: forward, backward, to scores.
    assert len(kinds) >= 3 * 6 - 1


@pytest.mark.parametrize("masked", ["zero", "decayed", "frozen"])
def test_steps_of_a_search_in_a_supernet(tiny, masked):
    table = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
    shared = {"mean": (0.5,) * 3, "std": (0.3,) * 3, "dtype": jnp.bfloat16}
    asked = models.Request(CLASSES, 1.0, None, None, None, {**shared, "make_head": LinearHead})
    model = supernet(table).make(asked)
    params, stats = models.initialise(model, jax.random.key(0), (SIZE, SIZE, 3))
    used = tiny._replace(model=model, params=params, batch_stats=stats, mask=masks.full(params))
    alive = channels.all_alive(params)
    weights = {path: np.ones(each.shape, np.float32) for path, each in alive.items()}
    program = used.program(
        masked=masked, penalty_warmup=5, transform=Transform(), objective=robust(3)
    )
    state = training.init_state(program, params, stats, used.mask)
    state = state._replace(search=SearchState(weights, alive, np.float32(1)))
    data = training.RunData(jax.random.key(0), jnp.float32(0.1))
    raw = {"image": jnp.zeros((8, SIZE, SIZE, 3), jnp.uint8), "label": jnp.zeros(8, jnp.int32)}
    text = lowered(partial(training.train_step, program), state, used.mask, data, raw)
    assert "stablehlo.while" in text
    # Kernels of the stem and of both searchable blocks, forward and backward of every pass.
    assert operations(text).count("bf16") >= 5 * 8


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("name", SEARCHES)
def test_every_attack_in_a_loop(tiny, name, norm):
    used = small(tiny, Classification(), "float32")
    shape, keys = (2, SIZE, SIZE, 3), jax.random.split(jax.random.key(0), 2)
    label, size = jnp.zeros(2, jnp.int32), jnp.full(2, 0.1)
    job = Job(jnp.zeros(shape), label, label + 1, keys, size, size, jnp.ones(2, bool))
    settings = AttackConfig(name=name, norm=norm)

    def attack(params, batch_stats, job):
        logits_fn = partial(models.logits, used.model, params, batch_stats)
        return run(settings.search(norm, CLASSES, 0), logits_fn, job)

    text = lowered(attack, used.params, used.batch_stats, job)
    assert "stablehlo.while" in text
    # One evaluation with its gradient, not one a step; FAB looks along a line besides.
    forward = len(
        operations(
            lowered(partial(models.logits, used.model), used.params, used.batch_stats, job.x)
        )
    )
    assert len(operations(text)) <= 12 * forward
