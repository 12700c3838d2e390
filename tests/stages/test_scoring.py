from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import criteria, data, masks, stages
from rtickets.config import AttackConfig, DataConfig, DrawConfig, PretrainConfig
from rtickets.draw import Ticket, draw_omp, survivors
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.runs import folders
from rtickets.stages.scoring import balanced_order, load_batches, make_score_fn
from rtickets.tasks import Classification
from rtickets.tickets import provenance


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 99))
def test_classes_take_turns(labels, seed):
    labels = np.array(labels)
    order = balanced_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    available = np.bincount(labels, minlength=4)
    for count in range(len(labels) + 1):
        taken = np.bincount(labels[order[:count]], minlength=4)
        assert all(taken[c] >= min(available[c], taken.max() - 1) for c in range(4))


@pytest.fixture
def stored(tiny, tmp_path, monkeypatch):
    """The tiny network as a ticket whose task is a file, under the name of a large one."""
    split, names = tiny.split, np.array(["a", "b", "c"])
    np.savez(tmp_path / "task.npz", x_train=split.images, y_train=split.labels, class_names=names)
    task = DataConfig(source="npz", path=str(tmp_path / "task.npz"))
    model = {"arch": "resnet18", "width": 1.0, "stem": "small", "precision": "float32"}
    meta = {
        "model": model,
        "class_names": ["a", "b", "c"],
        "image_shape": [8, 8, 1],
        "mean": [0.4],
        "std": [0.3],
    }
    meta = provenance.extend(meta, "pretrain", PretrainConfig(data=task), task, 0)
    monkeypatch.setattr("rtickets.models.registry.build", lambda *_, **__: tiny.model)
    Ticket(masks.full(tiny.params), tiny.params, tiny.batch_stats, meta).save(tmp_path / "ticket")
    source = folders.find_ticket(str(tmp_path / "ticket"))
    return SimpleNamespace(source=source, task=task, workdir=tmp_path, meta=meta)


CHEAP = {"examples": 9, "batch_size": 4}


@pytest.mark.parametrize(
    "values",
    [
        {"criterion": "snip", "attack": AttackConfig(eps=0.1, num_steps=1), **CHEAP},
        {"criterion": "taylor", "pattern": "channel", "scope": "uniform", **CHEAP},
        {"criterion": "grasp", "pattern": "kernel", "rounds": 2, **CHEAP},
        {"criterion": "synflow", "scope": "erk", "rounds": 3},
    ],
)
def test_the_stage_draws_by_every_criterion(stored, tiny, values):
    config = DrawConfig(sparsity=0.8, **values)
    run = stages.draw(config, stored.source, stored.workdir, "test", parallel.local_devices(1))
    ticket = Ticket.load(run.source.ticket)
    by_magnitude = draw_omp(tiny.params, 0.8, config.pattern, config.scope)
    assert masks.sparsity(ticket.mask) == pytest.approx(masks.sparsity(by_magnitude), abs=0.02)
    assert masks.overlap(ticket.mask, by_magnitude)[""] < 0.9
    assert ticket.meta["history"][-1]["criterion"] == config.criterion
    if config.pattern == "element":
        assert run.result()["survivors"] == survivors(run.result()["prunable"], 0.8)


def test_the_stage_scores_on_the_training_split_alone(stored):
    config = DrawConfig(criterion="snip", examples=500, batch_size=16)
    batches = load_batches(config, stored.meta)
    images = np.concatenate([x for x, _, _ in batches])
    assert [len(y["label"]) for _, y, _ in batches] == [16, 16, 4]  # 48 less the other two splits
    train = data.load(stored.task).train.images
    pixels = np.round(255 * images).astype(np.uint8)
    assert {image.tobytes() for image in pixels} == {image.tobytes() for image in train}
    fewer = load_batches(DrawConfig(criterion="snip", examples=9, batch_size=4), stored.meta)
    assert [len(y["label"]) for _, y, _ in fewer] == [4, 4, 1]
    np.testing.assert_array_equal(
        np.bincount(np.concatenate([y["label"] for _, y, _ in fewer])), [3, 3, 3]
    )


def test_the_stage_s_attack_changes_the_scores(stored, tiny):
    network = Ticket.load(stored.source.ticket)
    values = {"criterion": "snip", "examples": 6, "batch_size": 6}
    attack = AttackConfig(eps=0.2, num_steps=1)
    natural, adversarial = (
        make_score_fn(DrawConfig(**values, attack=a), network)(network.params, network.mask)
        for a in (None, attack)
    )
    assert set(natural) == set(adversarial) == set(criteria.prunable_leaves(tiny.params))
    assert not np.allclose(natural["stem_conv/kernel"], adversarial["stem_conv/kernel"], rtol=0.01)


def test_the_loss_is_that_of_the_task_that_is_asked(stored):
    network = Ticket.load(stored.source.ticket)
    values = {"criterion": "snip", "examples": 6, "batch_size": 6}
    found = [
        make_score_fn(
            DrawConfig(**values, data=replace(stored.task, task=Classification(label_smoothing=s))),
            network,
        )(network.params, network.mask)["stem_conv/kernel"]
        for s in (0.0, 0.5)
    ]
    assert not np.allclose(*found, rtol=0.01)


def test_other_classes_than_the_network_s_are_refused(stored):
    config = DrawConfig(criterion="snip", data=DataConfig(source="fashion_mini"))
    with pytest.raises(InputError, match="3 classes"):
        stages.draw(config, stored.source, stored.workdir, "test", parallel.local_devices(1))
    assert not list(stored.workdir.glob("draw-*/COMPLETE"))


def test_a_network_of_unknown_origin_is_refused(tiny):
    network = Ticket(masks.full(tiny.params), tiny.params, tiny.batch_stats)
    for criterion in ("snip", "synflow"):
        with pytest.raises(InputError, match="provenance lacks"):
            make_score_fn(DrawConfig(criterion=criterion), network)
