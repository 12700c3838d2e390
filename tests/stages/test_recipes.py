import pytest

from rtickets.data import SOURCES
from rtickets.errors import InputError
from rtickets.stages import recipes
from rtickets.tickets import provenance


def test_the_grid_of_radii_is_the_published_one():
    assert recipes.L2_RADII == (0.01, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 3, 5)
    assert recipes.LINF_RADII == (0.5, 1, 2, 4, 8)


@pytest.mark.parametrize(
    ("attack", "norm", "eps"),
    [("l2_3", "l2", 3), ("l2_0.01", "l2", 0.01), ("linf_4", "linf", 4 / 255)],
)
def test_robust_pretraining_is_pgd_3_from_the_image(attack, norm, eps):
    config = recipes.imagenet("resnet50", attack)
    inner = config.train.objective.attack
    assert (inner.norm, inner.eps, inner.num_steps, inner.random_start) == (norm, eps, 3, False)
    assert inner.best
    assert inner.step_size == pytest.approx(2 / 3 * eps)
    assert config.train.duration == "90ep"
    assert config.train.batch_size == 512
    natural = recipes.imagenet("resnet50")
    assert natural.train.optimizer == config.train.optimizer
    assert (natural.data, natural.model) == (config.data, config.model)


@pytest.mark.parametrize("attack", ["l2_4", "linf_3", "l1_1", "3"])
def test_other_radii_are_refused(attack):
    with pytest.raises(InputError, match=rf"'{attack}' .*l2_0\.01"):
        recipes.imagenet("resnet18", attack)


@pytest.mark.parametrize(
    ("source", "mode", "arch", "rate"),
    [
        ("cifar10", "finetune", "resnet18", 1e-3),
        ("cifar10", "linear", "resnet50", 1e-2),
        ("oxford_flowers102", "finetune", "resnet18", 1e-2),
        ("food101", "finetune", "resnet18", 1e-3),
        ("food101", "finetune", "resnet50", 1e-2),
        ("svhn_cropped", "finetune", "resnet18", 4e-3),
        ("svhn_cropped", "linear", "resnet18", 1e-2),
    ],
)
def test_transfer_has_the_tuned_learning_rate(source, mode, arch, rate):
    config = recipes.transfer(source, mode, arch)
    assert config.train.optimizer.learning_rate == rate
    assert config.train.optimizer.milestones == ("50ep", "100ep")
    assert config.train.optimizer.weight_decay == 5e-4
    assert config.mode == mode


def test_cifar_is_upscaled_and_svhn_is_not():
    cifar, svhn = recipes.transfer("cifar100").data, recipes.transfer("svhn_cropped").data
    assert (cifar.image_size, cifar.resize, cifar.random_resized_crop) == (224, 256, True)
    meta = {
        "model": {},
        "class_names": ["cat", "dog"],
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
        "image_shape": [224, 224, 3],
    }
    assert provenance.fitting_transform(cifar, meta).output_shape((32, 32, 3)) == (224, 224, 3)
    assert provenance.fitting_transform(svhn, meta).output_shape((32, 32, 3)) == (32, 32, 3)
    assert recipes.transfer("svhn_cropped").train.batch_size == 256


def test_every_tuned_set_can_be_loaded_by_name_and_has_four_rows():
    for source, rows in recipes._TUNED.items():
        assert source in SOURCES
        assert len(rows) == 4
        assert {row.eps for row in rows} <= {0, *recipes.L2_RADII}
        assert {row.learning_rate for row in rows} <= {1e-2, 1e-3}
        assert rows[0].accuracy > rows[1].accuracy  # finetuning beats a linear head
        assert rows[2].accuracy > rows[3].accuracy


def test_other_modes_are_refused():
    with pytest.raises(InputError, match=r"'both' .*mode"):
        recipes.transfer("cifar10", "both")
