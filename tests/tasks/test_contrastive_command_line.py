"""Contrastive pretraining, a ticket of it, its transfer to classes: the whole way, and killed."""

from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets import cli, evaluation, masks
from rtickets.draw import Ticket
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics
from rtickets.training import resume
from rtickets.training.loop import Loop

FILE = '''
"""Which of three shades?"""

import numpy as np

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, ModelConfig, ObjectiveConfig,
    OptimizerConfig, PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, labelled
from rtickets.data.images.random_views import ViewsConfig
from rtickets.evaluation.measures import MEASURES
from rtickets.settings import config_files
from rtickets.tasks import Moco, SimClr


def shades(config, view):
    generator = np.random.default_rng(0)
    labels = np.arange(90, dtype=np.int32) % 3
    images = generator.integers(0, 90, (90, 8, 8, 1)) + 80 * labels[:, None, None, None]
    return Raw(labelled(images.astype(np.uint8), labels), None, ("dark", "grey", "light"))


SOURCES["shades"] = Source(shades, "shades", "")
ATTACK = AttackConfig(eps=0.1, num_steps=1, step_size=0.1)
VIEWS = ViewsConfig(crop_scale=(0.5, 1.0), brightness=0.1, contrast=0.1)
SHARED = dict(views=VIEWS, projection=8, hidden=16, neighbours=5)
TASKS = {"simclr": SimClr(**SHARED), "moco": Moco(queue=24, momentum=0.9, **SHARED)}


def get_config(which):
    verb, _, how = which.partition("-")
    robust = how.endswith("-pgd")
    objective = ObjectiveConfig(name="pgd", attack=ATTACK) if robust else ObjectiveConfig()
    train = TrainConfig(
        objective=objective, duration="8it", batch_size=8, validate_every="4it",
        checkpoint_every="4it", optimizer=OptimizerConfig(learning_rate=0.05),
    )
    data = DataConfig(source="shades", task=TASKS.get(how.split("-")[0]))
    return config_files.editable({
        "pretrain": PretrainConfig(data, ModelConfig(width=0.0625), train),
        "draw": DrawConfig(criterion="snip", examples=16, batch_size=8) if how == "snip"
                else DrawConfig(method="imp", sparsity=0.36, train=train) if how == "imp"
                else DrawConfig(),
        "transfer": TransferConfig(data=DataConfig(source="shades"), train=train),
        "evaluate": EvaluateConfig(
            attacks={"pgd": ATTACK} if how == "pgd" else {}, honesty_examples=0
        ),
    }[verb])
'''


@pytest.fixture
def run(own_file, monkeypatch):
    def build(arch, outputs, *, mean=(0.0,), std=(1.0,), make_head=None, **_):
        more = {} if make_head is None else {"make_head": make_head}
        return ResNet((1,), BasicBlock, outputs, 4, "small", mean=mean, std=std, **more)

    monkeypatch.setattr("rtickets.models.registry.build", build)
    return own_file("shades", FILE)


@pytest.mark.parametrize("how", ["simclr", "moco-pgd"])
def test_from_contrastive_pretraining_to_a_measured_ticket(run, how, capsys):
    dense = run("pretrain", config=f"pretrain-{how}")
    assert "projections" in capsys.readouterr().out
    assert dense.name.startswith(f"pretrain-{how}-")
    lines = read_metrics(dense / "metrics.jsonl")
    assert all(-1 <= line["alignment"] <= 1 for line in lines)
    result = RunFolder(dense, "").result()
    assert result["validation"] == pytest.approx(max(line["validation"] for line in lines))
    source = Ticket.load(dense / "ticket")
    assert source.meta["asks"]["name"] == how.split("-")[0]
    assert source.params["head"]["dense2"]["kernel"].shape == (16, 8)
    drawn = run("draw", f"ticket={dense}", "sparsity=0.5")
    ticket = Ticket.load(drawn / "ticket")
    assert masks.sparsity(ticket.mask) == pytest.approx(0.5, abs=0.01)
    moved = run("transfer", f"ticket={drawn}")
    trained = Ticket.load(moved / "ticket")
    assert set(trained.params["head"]) == {"kernel", "bias"}
    assert trained.params["head"]["kernel"].shape[-1] == 3
    jax.tree.map(np.testing.assert_array_equal, trained.mask["stem_conv"], ticket.mask["stem_conv"])
    found = RunFolder(run("evaluate", f"ticket={moved}", config="evaluate-pgd"), "").result()
    assert found["headline"]["name"] == "accuracy"
    assert "pgd" in found["attacks"]
    own = RunFolder(run("evaluate", f"ticket={drawn}"), "").result()
    assert own["headline"]["name"] == "knn"
    assert 0 <= own["clean"]["low"] <= own["clean"]["value"] <= own["clean"]["high"] <= 1


@pytest.mark.parametrize("how", ["simclr", "moco"])
def test_scores_from_data_are_of_the_contrastive_loss(run, how):
    dense = run("pretrain", config=f"pretrain-{how}")
    drawn = run("draw", f"ticket={dense}", "sparsity=0.5", config="draw-snip")
    found, network = (Ticket.load(folder / "ticket") for folder in (drawn, dense))
    assert masks.sparsity(found.mask) == pytest.approx(0.5, abs=0.01)
    by_magnitude = Ticket.load(run("draw", f"ticket={dense}", "sparsity=0.5") / "ticket")
    assert masks.overlap(found.mask, by_magnitude.mask)[""] < 0.95
    jax.tree.map(
        np.testing.assert_array_equal, found.params, masks.apply(found.mask, network.params)
    )


@pytest.mark.parametrize("how", ["moco", "simclr"])
def test_a_killed_run_ends_bit_equal(run, monkeypatch, how):
    class Killed(Exception):
        pass

    def dies(*arguments, **options):
        calls.append(0)
        if len(calls) == 2:
            raise Killed
        return judge(*arguments, **options)

    whole, calls, judge = run("pretrain", config=f"pretrain-{how}"), [], evaluation.judge
    words = ["pretrain", f"--config=shades.py:pretrain-{how}", "--workdir=killed", "--devices=1"]
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "judge", dies)
        with pytest.raises(Killed):
            cli.main(words)
    assert not list(Path("killed").glob("*/COMPLETE"))
    carried = []
    restore = resume.restore

    def restored(checkpoints, start):
        found = restore(checkpoints, start)
        carried.append((int(found.state.step), found.state.carry))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(resume, "restore", restored)
        assert cli.main(words) == 0
    (resumed,) = Path("killed").glob("pretrain-*")
    tickets = [Ticket.load(folder / "ticket") for folder in (whole, resumed)]
    jax.tree.map(np.testing.assert_array_equal, *(ticket.params for ticket in tickets))
    texts = [(folder / "metrics.jsonl").read_bytes() for folder in (whole, resumed)]
    assert texts[0] == texts[1]
    ((step, carry),) = carried
    assert step == 4
    if how == "moco":
        assert carry["queue"].shape == (24, 8)
        assert int(carry["step"]) == 4


def test_what_does_not_fit_is_one_line(run, capsys):
    folder = run("pretrain", config="pretrain-simclr")
    capsys.readouterr()
    refused = [
        ("pretrain-simclr", "train.accumulate=2", "accumulate=2"),
        ("pretrain-moco", "data.task.key_statistics=shuffled", "sync_statistics"),
        ("pretrain-simclr", "data.flip=True", "data.task.views"),
        ("pretrain-simclr", "train.objective.name=trades", "SimClr"),
        ("evaluate-pgd", f"ticket={folder}", "attacks.pgd"),
    ]
    for which, option, named in refused:
        words = [which.split("-")[0], f"--config=shades.py:{which}", "--workdir=runs"]
        assert cli.main([*words, "--devices=1", f"--config.{option}"]) == 2
        error = capsys.readouterr().err
        assert named in error
        assert "Traceback" not in error


@pytest.mark.parametrize("policy", ["keep", "reset", "rewind"])
def test_iterating_sets_the_key_encoder_back_and_keeps_the_queue(run, monkeypatch, policy):
    begun, ended = [], []
    fit = Loop.fit

    def spied(self, params, batch_stats, *more):
        outcome = fit(self, params, batch_stats, *more)
        ended.append((params, batch_stats, outcome.carry))
        return outcome

    def first(state, mask, seed):
        begun.append(jax.device_get((state.params, state.carry)))
        return first_snapshot(state, mask, seed)

    first_snapshot = resume.first_snapshot
    dense = run("pretrain", config="pretrain-moco")
    monkeypatch.setattr(Loop, "fit", spied)
    monkeypatch.setattr(resume, "first_snapshot", first)
    options = ["method.rewind=2it" if policy == "rewind" else "method.first=train"]
    folder = run("draw", f"ticket={dense}", f"method.carry={policy}", *options, config="draw-imp")
    ticket = Ticket.load(folder / "ticket")
    fresh, before = begun[0][1], ended[-2][2]
    weights, carry = begun[-1]
    if policy == "rewind":  # as they were after two steps
        own = jax.tree.map(lambda *each: np.allclose(*each), carry, ended[0][2])
        assert all(jax.tree.leaves(own))
        return
    jax.tree.map(np.testing.assert_array_equal, carry["weights"], weights)
    np.testing.assert_array_equal(carry["queue"], (before if policy == "keep" else fresh)["queue"])
    assert not np.array_equal(before["queue"], fresh["queue"])
    assert int(carry["step"]) == (8 if policy == "keep" else 0)
    # One mask is on both encoders, also after training.
    after = ended[-1][2]["weights"]
    jax.tree.map(
        np.testing.assert_array_equal,
        after,
        masks.apply(Ticket.load(first_state(folder)).mask, after),
    )
    assert masks.sparsity(ticket.mask) == pytest.approx(0.36, abs=0.01)


def first_state(folder):
    """Return the ticket that the last state of a chain of two was trained with."""
    (state,) = (path for path in Path("runs").glob("draw-*") if path != folder)
    return state / "ticket"
