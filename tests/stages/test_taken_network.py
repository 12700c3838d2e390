"""Networks that are there already, in the place of trained ones: alone and as a study's branch."""

from types import SimpleNamespace

import chex
import numpy as np
import pytest

from rtickets import report, stages
from rtickets.config import (
    DataConfig,
    DrawConfig,
    EncoderConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TextConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.costs import Setting
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.registry import estimate
from rtickets.stages.results import read_study
from rtickets.stages.study import run_study
from rtickets.tasks import MaskedTokens, TextClassification

pytest.importorskip("tokenizers")

SIZES = EncoderConfig(layers=1, hidden=16, heads=2, vocabulary=4096, positions=16)
MODEL = ModelConfig(arch="bert", encoder=SIZES)
FEW = {"train_examples": 82, "test_fraction": 0.95}
TEXT = TextConfig(length=12)
PARTS = DataConfig("glosses_mini_parts", text=TEXT, task=TextClassification(), **FEW)
BRIEF = TrainConfig(
    duration="2it", batch_size=8, select="last", validate_every="0ep", checkpoint_every="0ep"
)
LINEAR = TransferConfig(
    data=PARTS, mode="linear", features="cached",
    train=config_files.replace(BRIEF, statistics="frozen"),
)  # fmt: skip


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A ticket of an encoder, and the pretraining that takes it."""
    folder = tmp_path_factory.mktemp("there")
    words = DataConfig("glosses_mini", text=TEXT, task=MaskedTokens(), **FEW)
    made = PretrainConfig(words, MODEL, BRIEF)
    run = stages.pretrain(made, folder, "made", parallel.local_devices(1))
    taken = PretrainConfig(words, MODEL, network=str(run.path))
    return SimpleNamespace(run=run, taken=taken, folder=folder)


def take(config, there):
    return stages.pretrain(config, there.folder, "taken", parallel.local_devices(1))


def test_it_is_taken_to_the_bit_with_its_own_history(there):
    run = take(there.taken, there)
    one, other = Ticket.load(there.run.source.ticket), Ticket.load(run.source.ticket)
    chex.assert_trees_all_equal(one.params, other.params)
    assert one.meta == other.meta
    assert run.source.digest != there.run.source.digest
    again = take(there.taken, there)
    assert again.path == run.path


def test_what_does_not_fit_is_one_line_before_anything_is_written(there):
    wide = config_files.replace(MODEL, encoder=config_files.replace(SIZES, hidden=32))
    with pytest.raises(InputError, match=r"'hidden': 16.*'hidden': 32"):
        take(config_files.replace(there.taken, model=wide), there)
    images = config_files.replace(there.taken, data=DataConfig("digits"))
    with pytest.raises(InputError, match="takes tokens"):
        take(images, there)
    with pytest.raises(InputError, match="nowhere"):
        take(config_files.replace(there.taken, network="nowhere"), there)
    with pytest.raises(ValueError, match="train would change nothing"):
        config_files.replace(there.taken, train__duration="5it")


def test_runs_of_before_it_could_be_said_keep_their_folders():
    assert "network" not in config_files.to_dict(PretrainConfig())
    found = config_files.to_dict(PretrainConfig(network="there"))
    assert found["network"] == "there"
    assert config_files.parse(PretrainConfig, found).network == "there"


def test_a_study_draws_from_it_and_transfers_heads_on_cached_features(there):
    study = StudyConfig(
        name="taken",
        seeds=(0, 1),
        pretrain=there.taken,
        objectives={"natural": ObjectiveConfig()},
        draws={"omp": DrawConfig(), "random": DrawConfig(criterion="random")},
        sparsities=(0.5,),
        transfers={"parts": LINEAR},
        evaluate=EvaluateConfig(batch_size=64),
    )
    names = [each.name for each in estimate(study, Setting())]
    assert not any("pretrain" in name for name in names)
    run = run_study(study, there.folder, parallel.local_devices(1))
    found = read_study(run)
    assert not found.get("failed")
    assert found["sources"] == []  # what it was trained on nobody knows
    assert len(found["cells"]) == 2 * 3
    kept = [Ticket.load(there.folder / cell["ticket"] / "ticket") for cell in found["cells"]]
    assert len({tuple(np.ravel(each.mask["layer1"]["output"]["kernel"])) for each in kept}) == 4
    assert "Source networks" not in report.write_report(run).read_text()


def test_cached_features_of_texts_train_the_same_head(there):
    plain = config_files.replace(LINEAR, features="computed")
    heads = []
    for config in (plain, LINEAR):
        run = stages.transfer(
            config, there.run.source, there.folder, "x", parallel.local_devices(1)
        )
        heads.append(Ticket.load(run.source.ticket).params)
    chex.assert_trees_all_close(*heads, rtol=1e-4, atol=1e-5)


def test_tokens_that_are_hidden_at_random_are_no_cached_features(there):
    masked = config_files.replace(LINEAR, data=there.taken.data)
    with pytest.raises(InputError, match="prepare and augment of its own"):
        stages.transfer(masked, there.run.source, there.folder, "x", parallel.local_devices(1))
