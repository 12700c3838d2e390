import re
from pathlib import Path

import pytest
from scipy.stats import norm

from rtickets.cli import overrides
from rtickets.config import (
    PipelineStudyConfig,
    RestorationStudyConfig,
)
from rtickets.data import get_source
from rtickets.errors import InputError
from rtickets.settings import config_files
from tests.configs.kinds import KINDS

ROOT = Path(__file__).parents[2]
OTHER_STUDIES = {
    "restoration": ("restore-study", RestorationStudyConfig),
    "supertickets": ("search-study", PipelineStudyConfig),
}
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.py"))


def read(path, argument=""):
    words = [f"--config={ROOT / path}{argument}"]
    _, kind = OTHER_STUDIES.get(path.stem, ("", KINDS[path.parts[1]]))
    return overrides.from_command_line(kind, words)


def test_there_are_configurations_of_every_kind():
    assert {path.parts[1] for path in FILES} == set(KINDS)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_configuration_reads_and_names_known_sources(path):
    config = read(path)
    for field, value in config_files.to_paths(config_files.to_dict(config)).items():
        if field.endswith("source"):
            assert get_source(value)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_configuration_opens_with_its_command_and_its_time(path):
    text = (ROOT / path).read_text()
    verb = {"studies": "study", "supernet": "search"}.get(path.parts[1], path.parts[1])
    verb, _ = OTHER_STUDIES.get(path.stem, (verb, None))
    assert re.match(rf'""".*rtickets {verb} --config={path}', text, re.DOTALL)
    assert "\nTime: " in text or " Time: " in text


def test_the_small_study_has_the_same_objectives_but_fewer_cells():
    path = Path("configs/studies/fashion_mnist.py")
    full, small = read(path), read(path, ":small")
    assert set(small.objectives) <= set(full.objectives)
    assert set(small.transfers) <= set(full.transfers)
    assert len(small.seeds) < len(full.seeds)


@pytest.mark.parametrize("mode", ["finetune", "linear"])
def test_the_transfer_configuration_has_both_modes(mode):
    assert read(Path("configs/transfer/mnist5k.py"), f":{mode}").mode == mode


@pytest.mark.parametrize("name", ["robust", "gaussian", "fast", "free", "trades", "mart"])
def test_pretraining_differs_in_the_objective_alone(name):
    natural, other = (
        config_files.to_paths(
            config_files.to_dict(read(Path(f"configs/pretrain/fashion_{objective}.py")))
        )
        for objective in ("natural", name)
    )
    different = {path for path in natural | other if natural.get(path) != other.get(path)}
    assert different
    assert all(path.startswith("train.objective.") for path in different)


def test_networks_are_smoothed_with_the_noise_of_their_training():
    trained = read(Path("configs/pretrain/fashion_gaussian.py")).train.objective
    smoothing = read(Path("configs/evaluate/certified.py")).smoothing
    assert (trained.name, trained.sigma) == ("gaussian", smoothing.sigma)
    most = smoothing.sigma * norm.ppf(smoothing.alpha ** (1 / smoothing.samples))
    assert max(smoothing.radii) < most


def test_random_networks_have_the_noise_of_their_training():
    trained = read(Path("configs/pretrain/fashion_gaussian.py")).train.objective
    attacks = read(Path("configs/evaluate/randomized.py")).attacks
    assert {attack.norm for attack in attacks.values()} == {"linf", "l2"}
    assert {attack.input_noise for attack in attacks.values()} == {trained.sigma}


def test_every_norm_of_autoattack_has_a_curve_with_its_own_and_the_clean_radius():
    attacks = read(Path("configs/evaluate/autoattack.py")).attacks
    ensembles = {(a.norm, a.eps) for a in attacks.values() if a.name == "autoattack"}
    curves = {(a.norm, a.eps) for a in attacks.values() if 0.0 in a.radii and a.steps == 20}
    assert ensembles == curves == {("linf", 8 / 255), ("l2", 0.5)}


OF_SOURCE = {"aimp", "imp", "lmp", "deeplab", "features", "vtab"}  # data say what there is
WITH_ARGUMENT = [
    path
    for path in FILES
    if re.search(r"def get_config\(\w", (ROOT / path).read_text()) and path.stem not in OF_SOURCE
]


@pytest.mark.parametrize("path", WITH_ARGUMENT, ids=str)
def test_an_argument_that_means_nothing_is_refused_with_what_there_is(path):
    with pytest.raises(InputError) as caught:
        read(path, ":bogus")
    assert "bogus" in str(caught.value)
    assert "KeyError" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "argument", "known"),
    [
        ("pretrain/simclr", "bogus", ("imagenet", "small", "tickets", "small-robust")),
        ("pretrain/simclr", "small-bogus", ("small-robust",)),
        ("pretrain/moco", "tickets", ("imagenet", "cifar10", "fashion-robust")),
        ("studies/iterative", "bogus", ("full", "small")),
        ("studies/pretrainings", "small-bogus", ("small-masks",)),
    ],
)
def test_what_an_argument_may_be_is_named(name, argument, known):
    with pytest.raises(InputError) as caught:
        read(Path(f"configs/{name}.py"), f":{argument}")
    assert all(each in str(caught.value) for each in known)
