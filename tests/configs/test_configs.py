import re
from pathlib import Path

import pytest

from rtickets import config_files
from rtickets.config import (
    DrawConfig,
    EvaluateConfig,
    PretrainConfig,
    StudyConfig,
    TransferConfig,
)
from rtickets.data import get_source

ROOT = Path(__file__).parents[2]
KINDS = {
    "pretrain": PretrainConfig,
    "draw": DrawConfig,
    "transfer": TransferConfig,
    "evaluate": EvaluateConfig,
    "studies": StudyConfig,
}
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.py"))


def read(path, argument=""):
    words = [f"--config={ROOT / path}{argument}"]
    return config_files.from_command_line(KINDS[path.parts[1]], words)


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
    verb = {"studies": "study"}.get(path.parts[1], path.parts[1])
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
