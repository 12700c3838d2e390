"""Studies of double-win tickets and of tickets of three pretrainings, at both scales."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtickets import cli
from rtickets.cli import overrides
from rtickets.config import StudyConfig
from rtickets.costs import network_costs
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages.matching import pairs_of

ROOT = Path(__file__).parents[2] / "configs" / "studies"
SIZES = ("full", "small")


def study(name, size):
    return overrides.from_command_line(StudyConfig, [f"--config={ROOT}/{name}.py:{size}"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["double_win", "pretrainings"])
def test_tickets_prune_first_and_have_a_random_control(name, size):
    found = study(name, size)
    imp, random = found.draws["imp"], found.draws["random"]
    assert imp.method == random.method
    assert (imp.method.first, imp.method.rewind, imp.method.head) == ("prune", "0it", "rewind")
    assert (imp.control, random.control) == (None, "random")
    rate = {"full": 0.2, "small": 0.5}[size]
    assert imp.method.rate == rate
    assert set(found.ladder("random")) <= set(found.sparsities) <= set(imp_ladder(19, rate))
    assert found.seeds == (0, 1, 2)


@pytest.mark.parametrize("size", SIZES)
def test_double_wins_are_asked_of_every_part_of_every_target(size):
    found = study("double_win", size)
    assert set(found.objectives) == {"natural", "fast", "pgd"}
    assert found.drawn_as_pretrained == ("imp", "random")
    attacked = {found.drawing("imp", label).train.objective for label in found.branches}
    assert attacked == set(found.objectives.values())
    naturals = {natural for natural, _ in pairs_of(found)}
    selections = {"full": ["best", "best_clean"], "small": ["last"]}[size]
    for natural in naturals:
        robust = [other for one, other in pairs_of(found) if one == natural]
        chosen = sorted(found.transfers[label].train.select for label in robust)
        assert chosen == selections
    parts = {run.data.train_fraction for run in found.transfers.values()}
    assert parts == {"full": {0.01, 0.1, None}, "small": {0.1, None}}[size]


def test_the_published_double_win_settings():
    found = study("double_win", "full")
    assert found.sparsities == imp_ladder(19)
    robust = found.transfers["cifar10-10-adv-ra"]
    attack = robust.train.objective.attack
    assert (attack.steps, attack.step_size, attack.eps) == (10, 2 / 255, 8 / 255)
    assert robust.train.optimizer.milestones == ("50ep", "75ep")
    assert (robust.data.train_fraction, robust.data.train_choice) == (0.1, "prefix")
    assert found.transfers["svhn_cropped-all-adv-ra"].train.optimizer.schedule == "cosine"
    assert found.evaluate.attacks["pgd20"].steps == 20
    assert found.evaluate.attacks["autoattack"].name == "autoattack"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["pretrainings", "features"])
def test_pretrainings_are_supervised_simclr_and_moco(name, size):
    found = study(name, size)
    tasks = {
        label: getattr(run.data.task, "name", None) for label, run in found.pretrainings.items()
    }
    assert tasks == {"supervised": None, "simclr": "simclr", "moco": "moco"}
    assert found.baseline == "supervised"
    assert found.pretrainings == study("pretrainings", size).pretrainings


def test_the_published_pretraining_tickets_spare_the_first_convolution():
    found = study("pretrainings", "full")
    assert {draw.exclude for draw in found.draws.values()} == {"stem_conv/.*"}
    assert found.sparsities == imp_ladder(18)
    sources = {run.data.source for run in found.transfers.values()}
    classified = {"cifar10", "cifar100", "svhn_cropped", "fashion_mnist", "folder"}
    assert sources == classified | {"voc2012"}


@pytest.mark.parametrize("size", SIZES)
def test_masks_of_every_pretraining_go_on_the_weights_of_all(size):
    plain, found = study("pretrainings", size), study("pretrainings", f"{size}-masks")
    given = {label: draw.method for label, draw in found.draws.items() if label != "imp"}
    assert {method.pretraining for method in given.values()} == set(found.branches)
    assert {method.draw for method in given.values()} == {"imp"}
    assert found.draws["imp"] == plain.draws["imp"]
    assert found.pretrainings == plain.pretrainings


@pytest.mark.parametrize("size", SIZES)
def test_ablations_differ_in_one_thing(size):
    found = study("temperature", size)
    alike = {
        config_files.replace(each, data__task__temperature=1.0) for each in found.draws.values()
    }
    assert len(alike) == 1
    assert {0.1, 0.5, 2.0} <= {each.data.task.temperature for each in found.draws.values()}
    sizes = study("model_size", size).pretrainings.values()
    reset = {config_files.replace(each, model__arch="resnet18", model__width=1.0) for each in sizes}
    assert len(set(sizes)) == 2
    assert len(reset) == 1


@pytest.mark.parametrize("size", SIZES)
def test_the_perturbation_study_has_every_control_of_every_start(size):
    found = study("perturbation", size).draws
    kinds = {
        (draw.method.start, draw.method.rewind == "0it", draw.control) for draw in found.values()
    }
    starts = (("pretrained", True), ("random", True), ("random", False))
    controls = (None, "complement", "random", "perturbed")
    assert kinds == {(*start, control) for start in starts for control in controls}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 1e12)


@pytest.fixture
def visda(tmp_path):
    """A folder of the layout of VisDA-2017, with an image of every class."""
    for split in ("train", "val", "test"):
        for number in range(12):
            folder = tmp_path / "visda" / split / f"class{number}"
            folder.mkdir(parents=True)
            image = np.full((8, 8, 3), number, np.uint8)
            for copy in range(12):
                Image.fromarray(image).save(folder / f"{copy}.png")
    return tmp_path / "visda"


def dry(name, tmp_path, capsys, *words):
    line = [f"--config={ROOT}/{name}.py", "--dry-run", f"--workdir={tmp_path}", *words]
    assert cli.main(["study", *line]) == 0
    out = capsys.readouterr().out
    assert "nothing was trained" in out
    return out


def test_a_dry_run_estimates_published_double_wins(quick, tmp_path, capsys):
    out = dry("double_win", tmp_path, capsys)
    assert "100 epochs" in out
    assert "svhn_cropped: 65,931 images of 224x224x3" in out


def test_a_dry_run_estimates_published_tickets_of_three_pretrainings(
    quick, visda, tmp_path, capsys
):
    path = f"--config.transfers.visda2017.data.path={visda}"
    out = dry("pretrainings", tmp_path, capsys, path)
    assert "simclr: imp: draw, imp" in out
    assert "fashion_mnist: 54,000 images of 224x224x3" in out
    assert "folder: 144 images of 224x224x3, 12 classes" in out
    assert "voc2012: 1,318 images of 513x513x3" in out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["temperature", "model_size", "perturbation"])
def test_a_dry_run_estimates_published_ablations(name, quick, tmp_path, capsys):
    assert "cifar100: 45,000 images of 224x224x3" in dry(name, tmp_path, capsys)


def test_a_dry_run_estimates_published_features(quick, tmp_path, capsys):
    assert "imagenet2012: 11,531 images of 224x224x3, 1000 classes" in dry(
        "features", tmp_path, capsys
    )
