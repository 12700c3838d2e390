"""Estimates, by closed forms where there are any, and for every configuration of the repository."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from rtickets import cli
from rtickets.cli import overrides
from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    SearchConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.costs import Setting, as_text, network_costs
from rtickets.costs.network_costs import network_cost
from rtickets.costs.passes import passes_of_attack, passes_per_step
from rtickets.costs.runs import estimate_training
from rtickets.costs.task_sizes import cost_of, evaluated_cost_of, sizes_of
from rtickets.data import SOURCES, Raw, Source, labelled
from rtickets.errors import InputError
from rtickets.models.inputs import Input
from rtickets.settings import config_files
from rtickets.stages import recipes, text_recipes
from rtickets.stages.draw import STAGE
from rtickets.stages.draw_costs import estimate_draw
from rtickets.stages.draw_settings import CheckConfig
from rtickets.stages.evaluate import estimate_evaluation
from rtickets.stages.registry import estimate
from rtickets.tasks import Detection, Segmentation

ROOT = Path(__file__).parents[2]
KINDS = {
    "pretrain": PretrainConfig,
    "draw": DrawConfig,
    "transfer": TransferConfig,
    "evaluate": EvaluateConfig,
    "studies": StudyConfig,
    "supernet": SearchConfig,
}
FILES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "configs").rglob("*.py")
    # of their own classes or data, see test_restoration.py, test_pipelines.py, test_text_study.py
    if path.name not in ("restoration.py", "supertickets.py", "minilm.py")
    and path.relative_to(ROOT).as_posix() != "configs/studies/text.py"  # of Debian's fortunes
)
TINY = ModelConfig(width=0.0625)
OF_OWN_SIZES = ("bert", "supernet_small")
LONG = {"supernet_dense90", "supernet_dense180", "supernet_keypoints", "supernet_classes"}


def test_a_resnet_has_its_published_costs():
    cost = network_cost(ModelConfig(arch="resnet18", stem="imagenet"), 1000, (224, 224, 3))
    assert cost.weights == 11_689_512
    assert cost.prunable == 11_689_512 - 9_600 - 513_000  # without normalisation and head
    # 1.82e9 products and sums; those with a padded zero are not counted here
    assert cost.forward == pytest.approx(2 * 1.82e9, rel=0.1)
    assert 20e6 < cost.activations < 200e6


@pytest.mark.parametrize(
    ("objective", "passes"),
    [
        (ObjectiveConfig(), 3),
        (ObjectiveConfig(name="gaussian"), 3),
        (ObjectiveConfig(name="pgd", attack=AttackConfig(num_steps=3)), 9),
        (ObjectiveConfig(name="pgd", attack=AttackConfig(num_steps=3, best=True)), 11),
        (ObjectiveConfig(name="trades", attack=AttackConfig(num_steps=10)), 26),
        (ObjectiveConfig(name="mart", attack=AttackConfig(num_steps=1)), 8),
        (ObjectiveConfig(name="fast"), 5),
        (ObjectiveConfig(name="free"), 4),
    ],
)
def test_work_is_counted_in_forward_passes(objective, passes):
    assert passes_per_step(objective) == passes


def test_a_head_that_is_trained_alone_costs_its_own_gradient():
    """The last level has 8x8 places of 32 features: convolutions of 3x3, twice 9 operations."""
    task = Detection(channels=8, depth=1, levels=("stage4",), coarser=0)
    data = DataConfig(source="stamps_scenes", task=task)
    convolutions = 32 * 8 + 9 * 8 * (8 + 2 * 8 + 6 + 4 + 1)  # lateral, pyramid, towers, answers
    operations = 2 * 64 * convolutions
    found = {}
    for name, asked in (("plain", DataConfig(source="stamps_scenes")), ("boxes", data)):
        sizes, train = sizes_of(asked), TrainConfig(batch_size=16, duration="1it")
        options = {"devices": 1, "trainable": "head"}
        found[name] = estimate_training(name, sizes, TINY, train, **options)
    forward = cost_of(TINY, sizes).forward
    passes = float(found["boxes"].about[1].split(", ")[-1].split()[0])
    # Normalisation, of a few features here, and padding come on top.
    assert passes == pytest.approx(1 + 2 * operations / forward, rel=0.15)
    assert ", 1 forward passes" in found["plain"].about[1]
    assert found["plain"].memory["activations"] == 0
    kept = found["boxes"].memory["activations"]
    assert kept > 16 * 4 * 64 * 8 * 5  # what goes into five layers
    weights = found["boxes"].memory["weights"] - 4 * cost_of(TINY, sizes).weights
    parameters = convolutions + 8 * (1 + 1 + 2 + 4) + 6 + 4 + 1 + 1  # biases and factors too
    assert weights == pytest.approx(3 * 4 * (parameters - 6 * 33), rel=0.1)  # not the linear one


def test_attacks_take_a_gradient_a_step_and_square_a_query():
    def passes(**settings):
        return passes_of_attack(AttackConfig(**settings), classes=10)

    assert passes(num_steps=10) == 20
    assert passes(num_steps=10, restarts=3, radii=(0.1, 0.2)) == 180
    assert passes(name="square", num_steps=50) == 50
    assert passes(name="pgd_t", num_steps=10, num_targets=3) == 60
    assert passes(name="fab", num_steps=10) == 110  # the gradients of all logits
    assert passes(name="autoattack") == 2 * 100 + 2 * 900 + 2 * 900 + 5000
    assert passes(name="apgd_ce", num_steps=10, input_noise=0.1, samples=5) == 150 + 3 * 100
    rand = passes(name="autoattack", version="rand", input_noise=0.1)
    assert rand == 20 * 3 * (100 + 100) + 5 * 100  # two comparisons of two images, one report


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (DataConfig(), (10_800, 1_200, 2_000)),
        (DataConfig(source="mnist5k", train_examples=200), (200, 400, 1_000)),
        (DataConfig(source="mnist5k", train_fraction=0.1), (360, 40, 1_000)),
        (DataConfig(source="mnist5k", train_per_class=20), (180, 20, 1_000)),
        (DataConfig(source="imagenet2012", validation_fraction=0.01), (1_268_355, 12_812, 50_000)),
    ],
)
def test_a_task_s_sizes_are_known_without_reading_it(config, sizes):
    task = sizes_of(config)
    assert (task.train, task.validation, task.test) == sizes


def test_photographs_are_streamed_and_small_images_lie_in_memory():
    photos = sizes_of(DataConfig(source="food101"))
    assert (photos.shape, photos.stored) == ((224, 224, 3), 0)
    small = sizes_of(DataConfig(source="cifar10", image_size=224, validation_fraction=0.5))
    assert (small.shape, small.stored) == ((224, 224, 3), 25_000 * 32 * 32 * 3)


def test_images_on_canvases_stay_on_disk_unless_they_are_to_be_read():
    """VOC 2012 has 1,464 training images on canvases of 500 pixels; as many as are not held out."""
    task = Segmentation(output_stride=8, channels=8)
    for source in ("voc2012", "voc2012_aug"):
        data = DataConfig(source=source, image_size=100, task=task, validation_fraction=0.5)
        assert sizes_of(data).stored == 0
        read = sizes_of(config_files.replace(data, stream=False))
        assert read.stored == read.train * 500 * 500 * 3


@pytest.mark.parametrize("size", [None, 16, 128])
def test_composed_scenes_are_as_large_as_they_are_asked_for(size):
    task = Segmentation(output_stride=8, channels=8, fine="stage2", evaluation="whole")
    found = sizes_of(DataConfig(source="stamps_scenes", image_size=size, task=task))
    side = size or 64
    assert found.stored == 2400 * side * side * 3
    assert (found.shape, found.evaluated) == ((side, side, 3), None)


def test_an_unknown_set_is_read(tmp_path):
    images, labels = np.zeros((50, 6, 5, 1), np.uint8), np.arange(50) % 2
    np.savez(tmp_path / "set.npz", x_train=images, y_train=labels)
    task = sizes_of(DataConfig(source="npz", path=str(tmp_path / "set.npz")))
    assert (task.train, task.validation, task.test) == (36, 4, 10)
    assert (task.outputs, task.shape) == (2, (6, 5, 1))
    with pytest.raises(InputError, match="nowhere"):
        sizes_of(DataConfig(source="npz", path=str(tmp_path / "nowhere.npz")))


def test_a_validation_split_of_the_set_s_own_is_counted(monkeypatch):
    """As VTAB's: 800 + 200 images, nothing carved from them."""
    sizes = (800, 200, 30)
    train, validation, test = (
        labelled(np.zeros((size, 8, 8, 3), np.uint8), np.arange(size) % 4) for size in sizes
    )
    raw = Raw(train, test, tuple("abcd"), validation)
    monkeypatch.setitem(SOURCES, "own", Source(lambda config, view: raw, "", ""))
    task = sizes_of(DataConfig(source="own"))
    assert (task.train, task.validation, task.test, task.outputs) == (*sizes, 4)
    assert sizes_of(DataConfig(source="own", train_examples=80)).train == 80


def test_a_training_run_adds_up():
    train = TrainConfig(duration="10it", batch_size=100, validate_every="5it")
    (found,) = estimate(PretrainConfig(model=TINY, train=train), Setting(devices=2))
    cost = network_cost(TINY, 10, (28, 28, 1))
    assert found.operations == pytest.approx(cost.forward * (10 * 100 * 3 + 2 * 1_200))
    assert found.memory["weights"] == 4 * 4 * cost.weights
    assert found.memory["activations"] == 50 * cost.activations
    assert "10 steps" in found.about[1]


def test_a_batch_that_does_not_fit_is_refused():
    config = TransferConfig(
        data=DataConfig(source="mnist5k", train_examples=50), train=TrainConfig(batch_size=64)
    )
    with pytest.raises(InputError, match=r"batch_size=64 .*50 training examples"):
        estimate(config, Setting(TINY))


@pytest.mark.parametrize(
    ("name", "stem", "forward"),
    [
        ("food101", "imagenet", 3.5e9),
        ("cifar10", "imagenet", 3.5e9),
        ("svhn_cropped", "small", 1e9),
    ],
)
def test_without_a_ticket_the_network_fits_the_images_and_is_named(name, stem, forward):
    config = recipes.transfer(name)
    (found,) = estimate(config, Setting())
    assert found.about[-1] == f"no ticket given: a resnet18 with the {stem} stem is assumed"
    task = sizes_of(config.data)
    cost = network_cost(ModelConfig(stem=stem), task.outputs, task.shape)
    assert cost.forward == pytest.approx(forward, rel=0.2)
    images = 150 * (task.train // config.train.batch_size) * config.train.batch_size
    assert found.operations == pytest.approx(cost.forward * (3 * images + 30 * task.validation))
    (given,) = estimate(config, Setting(TINY))
    assert "no ticket given" not in as_text([given], 1e12, 1)


def test_states_of_iterative_pruning_are_counted_from_the_ticket_s_sparsity():
    draw = DrawConfig(method="imp", sparsity=0.5, train=TrainConfig(duration="10it"))
    network = ModelConfig(width=0.125)
    task = sizes_of(DataConfig())
    for lost, states in ((0.0, 4), (0.36, 2)):
        found = estimate_draw(draw, task, network, devices=1, removed=lost)
        assert f"each of {states} states" in found.name
    with pytest.raises(InputError, match=r"sparsity=0\.5 is reached already"):
        estimate_draw(draw, task, network, devices=1, removed=0.6)


@pytest.mark.parametrize("method", ["omp", "imp", "lmp"])
def test_looking_whether_a_ticket_is_broken_is_counted(method):
    train = None if method == "omp" else TrainConfig(duration="10it")
    draw = DrawConfig(method=method, sparsity=0.5, train=train)
    checked = config_files.replace(draw, check=CheckConfig(batch_size=20, batches=5))
    task, network = sizes_of(DataConfig()), ModelConfig(width=0.125)
    without = 0.0 if method == "omp" else estimate_draw(draw, task, network, devices=1).operations
    found = estimate_draw(checked, task, network, devices=1)
    forward = network_cost(network, 10, task.shape).forward
    # as it is, with statistics estimated anew, for constant outputs; and what they are estimated on
    assert found.operations - without == pytest.approx(
        forward * (3 * checked.check.examples + checked.check.count)
    )
    assert f"checked on {checked.check.examples} images" in found.about


def test_a_study_counts_its_grid():
    config = StudyConfig(
        seeds=(0, 1),
        pretrain=PretrainConfig(model=TINY),
        sparsities=(0.5, 0.9),
        transfers={"few": TransferConfig(data=DataConfig(source="mnist5k", train_examples=200))},
    )
    found = {one.name: one.times for one in estimate(config, Setting(TINY))}
    assert found == {
        "pretrain, natural": 2,
        "pretrain, robust": 2,
        "omp: draw, omp": 8,
        "transfer, few": 12,
        "evaluate, mnist5k": 12,
        "evaluate, fashion_mini": 4,
    }


def test_branches_of_other_data_are_counted_by_themselves():
    imp = DrawConfig(method="imp", train=TrainConfig(duration="10it"))
    config = StudyConfig(
        pretrain=PretrainConfig(model=TINY),
        pretrainings={"digits": PretrainConfig(data=DataConfig(source="digits"), model=TINY)},
        sparsities=(0.36,),
        draws={"omp": DrawConfig(), "imp": imp},
        drawn_as_pretrained=("imp",),
        transfers={"few": TransferConfig(data=DataConfig(source="mnist5k", train_examples=200))},
    )
    found = {one.name: one for one in estimate(config, Setting(TINY))}
    assert {name: one.times for name, one in found.items()} == {
        "pretrain, natural": 1,
        "pretrain, robust": 1,
        "natural: omp: draw, omp": 2,
        "natural: imp of natural: draw, imp, sparsity 0.36, each of 2 states": 2,
        "natural: imp of robust: draw, imp, sparsity 0.36, each of 2 states": 2,
        "natural: transfer, few": 6,
        "natural: evaluate, mnist5k": 6,
        "natural: evaluate, fashion_mini": 2,
        "pretrain, digits": 1,
        "digits: omp: draw, omp": 1,
        "digits: imp of digits: draw, imp, sparsity 0.36, each of 2 states": 2,
        "digits: transfer, few": 3,
        "digits: evaluate, mnist5k": 3,
        "digits: evaluate, digits": 1,
    }
    natural, robust = (
        found[f"natural: imp of {branch}: draw, imp, sparsity 0.36, each of 2 states"]
        for branch in ("natural", "robust")
    )
    assert robust.operations > 2 * natural.operations


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_configuration_can_be_estimated(path, tmp_path, save_image):
    kind = KINDS[path.parts[1]]
    words = [f"--config={ROOT / path}"]
    if path.name in ("bert.py", "text.py"):  # of the texts that come with the package
        words = [f"--config={ROOT / path}:small"]
    if path.name == "pretrainings.py":  # a folder of photographs has to be there
        for part, name, each in product(("train", "test"), ("bus", "car"), range(80)):
            save_image(tmp_path / part / name / f"{each}.png", value=each)
        words.append(f"--config.transfers.visda2017.data.path={tmp_path}")
    if path.name == "vtab.py":
        pytest.skip("has to be read, see tests/data/sources/test_tfds.py")
    config = overrides.from_command_line(kind, words)
    # The small stem has no output stride of 16, which photographs are segmented at.
    stem = "imagenet" if path.name == "deeplab.py" else "small"
    model = ModelConfig(width=0.125, stem=stem)
    if path.name == "text.py":
        model = text_recipes.PRETRAININGS["small"]().model
    found = estimate(_narrow(config), Setting(model))
    assert found
    text = as_text(found, 1e12, 1)
    assert text.endswith("nothing was trained")
    for one in found:
        assert one.operations >= 0
        assert one.name in text


PUBLISHED = [("cityscapes", 61.8e9, 4), ("ade20k", 36.1e9, 4), ("coco_keypoints", 5.8e9, 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "adds", "calls"), PUBLISHED)
def test_published_searches_are_estimated_with_their_own_networks(name, adds, calls):
    """Forward passes are of the multiply-adds that are counted by hand, normalisation on top."""
    path = f"--config={ROOT}/configs/supernet/{name}.py"
    config = overrides.from_command_line(SearchConfig, [path])
    sizes = sizes_of(config.data)
    cost = cost_of(config.model, sizes)
    assert cost.forward == pytest.approx(2 * adds, rel=0.15)
    assert evaluated_cost_of(config.model, sizes).forward == pytest.approx(
        calls * cost.forward, rel=0.02
    )


def test_a_task_of_texts_without_a_ticket_asks_for_one():
    with pytest.raises(InputError, match=r"tokens .* of glosses_mini cannot.*--config.ticket"):
        estimate(text_recipes.TRANSFERS["small"](), Setting())


def _narrow(config):
    """Keep the architecture but make its layers narrow, to trace it quickly."""
    if getattr(config, "pretrainings", None):
        narrow = {name: _narrow(each) for name, each in config.pretrainings.items()}
        config = config_files.replace(config, pretrainings=narrow)
        if not config.objectives:
            return config
    part = getattr(config, "pretrain", config)
    if getattr(part, "model", None) is None or part.model.arch in OF_OWN_SIZES:
        return config
    if part.model.arch in LONG:  # half a minute of tracing; what they cost is in test_supernet.py
        return config_files.replace(config, model__arch="supernet_tiny")
    name = "pretrain__model__width" if hasattr(config, "pretrain") else "model__width"
    return config_files.replace(config, **{name: 0.125})


def test_the_option_prints_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 2e12)
    words = ["pretrain", f"--config={ROOT / 'configs/pretrain/fashion_robust.py'}", "--dry-run"]
    assert cli.main([*words, f"--workdir={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "pretrain, pgd" in out
    assert "7 forward passes' worth of work per image" in out
    assert "at 2,000 GFLOP/s" in out
    assert not list(tmp_path.iterdir())
    with pytest.raises(SystemExit):  # of verbs that compute nothing
        cli.main(["report", "--dry-run"])


def test_the_rate_of_this_machine_is_measured():
    from rtickets.platform import parallel

    assert 1e8 < network_costs.measured_rate(parallel.local_devices(1)) < 1e16


def test_a_dry_run_refuses_a_pattern_that_the_sparsity_does_not_fit():
    config = DrawConfig(pattern="2:4", sparsity=0.9)
    with pytest.raises(InputError, match=r"removes 0\.5, not sparsity=0\.9"):
        STAGE.estimate(config, None)


def test_images_are_evaluated_at_the_size_that_the_task_says():
    """VOC is stored at 500 pixels; windows of 100 begin at 0, 67, ..., 335 and 400."""
    per_pixel = {}
    for how in ("resized", "whole", "sliding"):
        task = Segmentation(output_stride=8, channels=8, fine="stage2", evaluation=how)
        data = DataConfig(source="voc2012", image_size=100, task=task)
        sizes = sizes_of(data)
        found = evaluated_cost_of(TINY, sizes)
        assert found.weights == cost_of(TINY, sizes).weights
        per_pixel[how] = found.forward / cost_of(TINY, sizes).forward
        measured = estimate_evaluation(EvaluateConfig(batch_size=4), sizes, TINY, 1)
        assert measured.operations == pytest.approx(1449 * found.forward)
        train = TrainConfig(batch_size=4, duration="1ep", select="last", validate_every="0ep")
        plain = estimate_training("a", sizes, TINY, train, devices=1)
        train = config_files.replace(train, validate_every="1ep")
        checked = estimate_training("a", sizes, TINY, train, devices=1)
        held_out = sizes.validation * found.forward
        assert checked.operations - plain.operations == pytest.approx(held_out, rel=1e-6)
        shown = {"resized": "100x100x3", "whole": "500x500x3", "sliding": "100x100x3"}[how]
        assert shown in measured.about[0]
    assert per_pixel["resized"] == 1
    assert per_pixel["whole"] == pytest.approx(25, rel=0.1)
    assert per_pixel["sliding"] == 49


def test_windows_are_of_the_size_of_the_network_where_the_data_leave_it_open():
    task = Segmentation(output_stride=8, channels=8, fine="stage2", evaluation="sliding")
    data = DataConfig(source="voc2012", task=task)
    with pytest.raises(InputError, match=r"sliding.*image_size"):
        sizes_of(data)
    setting = Setting(TINY, None, (Input("image", (250, 250, 3)),), 1)
    found = setting.task_of(data)
    assert (found.evaluated, found.calls) == (None, 9)
    assert found.shape == (250, 250, 3)
