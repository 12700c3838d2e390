"""Recipes for texts: BERT and small encoders, their tickets, and what these are transferred to.

Published ones are those of Chen et al. 2020 (tickets of pretrained BERT) and, of pretraining, of
Devlin et al. 2019; sizes of batches are those of one process.
"""

from collections.abc import Callable, Mapping
from functools import partial

from rtickets.data.settings import DataConfig
from rtickets.data.text.settings import TextConfig
from rtickets.models.encoder_settings import EncoderConfig
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.ways.imp import Imp
from rtickets.tasks import MaskedTokens, TextClassification
from rtickets.training.objectives.embeddings import Embeddings
from rtickets.training.optimizers import AdamW
from rtickets.training.settings import TrainConfig

GLOSS = 32  # tokens of a gloss, most of which are shorter
GLUE = (
    "glue_cola", "glue_mnli", "glue_mrpc", "glue_qnli", "glue_qqp", "glue_rte", "glue_sst2",
    "glue_stsb", "glue_wnli",
)  # fmt: skip


def small_encoder(hidden: int) -> ModelConfig:
    """Return an encoder of two layers for texts of the package's own vocabulary."""
    sizes = EncoderConfig(
        layers=2, hidden=hidden, heads=hidden // 32, vocabulary=4096, positions=128
    )
    return ModelConfig(arch="bert", encoder=sizes)


def linear(rate: float, warmup: str = "0ep", decay: float = 0.0) -> AdamW:
    """Return AdamW with a linear schedule, without weight decay and clipped as published."""
    return AdamW(
        learning_rate=rate, weight_decay=decay, schedule="polynomial", power=1.0, warmup=warmup,
        clip_norm=1.0,
    )  # fmt: skip


def base() -> PretrainConfig:
    """Return BERT-base on plain text."""
    text = TextConfig(length=512, pack=True)
    # Biases and normalisation do not decay, as in the code of Devlin et al.
    optimizer = config_files.replace(
        linear(1e-4, "10000it", 0.01), weight_decay_factors=(".*/(bias|scale)=0",)
    )
    train = TrainConfig(
        optimizer=optimizer, duration="1000000it", batch_size=256,
        validate_every="10000it", checkpoint_every="10000it", select="last",
    )  # fmt: skip
    data = DataConfig("lines", text=text, task=MaskedTokens(), validation_fraction=0.01)
    return PretrainConfig(data, ModelConfig(arch="bert", precision="bfloat16"), train)


def glosses(source: str, hidden: int, duration: str) -> PretrainConfig:
    """Return a small encoder on glosses."""
    data = DataConfig(source, text=TextConfig(length=GLOSS), task=MaskedTokens())
    train = TrainConfig(
        optimizer=linear(2e-3, "100it", 0.01), duration=duration, batch_size=64, select="last",
        validate_every="2ep", checkpoint_every="2ep",
    )  # fmt: skip
    return PretrainConfig(data, small_encoder(hidden), train)


def robust(make: Callable[[], PretrainConfig]) -> PretrainConfig:
    """Return a pretraining whose embeddings are moved to raise the loss."""
    config = make()
    sizes = config.model.encoder or EncoderConfig()
    objective = Embeddings(features=sizes.hidden)
    return config_files.replace(config, train__objective=objective)


def masked() -> DrawConfig:
    """Return a draw on masked tokens, 70% of BERT-base."""
    train = TrainConfig(
        optimizer=linear(5e-5), duration="100000it", batch_size=16, select="last",
        validate_every="0ep", checkpoint_every="2000it",
    )  # fmt: skip
    way = Imp(rate=0.1, of="original", first="prune", head="keep", stop="10000it")
    return DrawConfig(method=way, sparsity=0.7, train=train)


def on_task(data: DataConfig, rate: float, batch: int, whole: str, each: str) -> DrawConfig:
    """Return a draw on a task.

    Args:
        data: the task.
        rate: learning rate at the start of every round.
        batch: examples of a step.
        whole: of the schedule, all rounds'.
        each: of a round.
    """
    train = TrainConfig(
        optimizer=linear(rate), duration=whole, batch_size=batch, select="last",
        validate_every="0ep",
    )  # fmt: skip
    way = Imp(rate=0.1, of="original", first="train", head="keep", stop=each)
    return DrawConfig(method=way, sparsity=0.7, data=data, train=train)


def on_sentences(data: DataConfig) -> DrawConfig:
    """Return a draw on a task on sentences, three epochs of the thirty of all rounds each."""
    return on_task(data, 2e-5, 32, "30ep", "3ep")


def glue(source: str) -> DataConfig:
    """Return a task of GLUE, as its source asks it."""
    return DataConfig(source, text=TextConfig(length=128))


def squad() -> DataConfig:
    """Return SQuAD 1.1."""
    return DataConfig("squad", text=TextConfig(length=384, stride=128))


def small_draw() -> DrawConfig:
    """Return a draw on masked tokens of a small encoder."""
    train = TrainConfig(
        optimizer=linear(5e-4), duration="600it", batch_size=64, select="last",
        validate_every="0ep",
    )  # fmt: skip
    way = Imp(rate=0.1, of="original", first="prune", head="keep", stop="60it")
    return DrawConfig(method=way, sparsity=0.7, train=train)


def published_transfer(data: DataConfig, rate: float, batch: int, duration: str) -> TransferConfig:
    """Return a transfer whose last weights are taken, as published."""
    train = TrainConfig(
        optimizer=linear(rate), duration=duration, batch_size=batch, select="last",
        validate_every="1ep",
    )  # fmt: skip
    return TransferConfig(data=data, train=train)


def transfer(source: str, duration: str, rate: float, length: int = GLOSS) -> TransferConfig:
    """Return a transfer to classes of texts."""
    train = TrainConfig(
        optimizer=linear(rate), duration=duration, batch_size=32, select="best",
        validate_every="1ep",
    )  # fmt: skip
    data = DataConfig(source, text=TextConfig(length=length), task=TextClassification())
    return TransferConfig(data=data, train=train)


def some_steps(
    rate: float, duration: str, batch: int = 32, warmup: str = "0ep", decay: float = 0.0
) -> TrainConfig:
    """Return a brief training, the last weights kept."""
    return TrainConfig(
        optimizer=linear(rate, warmup, decay), duration=duration, batch_size=batch, select="last",
        validate_every="0ep", checkpoint_every="0ep", steps_per_dispatch=10,
    )  # fmt: skip


def tiny(data: DataConfig, duration: str, batch: int, warmup: str = "25it") -> PretrainConfig:
    """Return the encoder of the small studies on masked tokens."""
    sizes = EncoderConfig(
        layers=2, hidden=64, heads=2, vocabulary=4096, positions=128, dropout=0.0,
        attention_dropout=0.0,
    )  # fmt: skip
    train = some_steps(4e-3, duration, batch, warmup, 0.01)
    return PretrainConfig(data, ModelConfig(arch="bert", encoder=sizes), train)


def brief(data: DataConfig, duration: str) -> TransferConfig:
    """Return the transfer of the small studies."""
    return TransferConfig(data=data, train=some_steps(3e-3, duration, warmup="10it"))


def but_the_pooler(ways: Mapping[str, DrawConfig]) -> dict[str, DrawConfig]:
    """Return ways of drawing, by label, that leave the pooler alone.

    Nothing trains it on masked tokens alone, so that its weights are the smallest: a ranking over
    all layers removes them first, and what reads the pooler then reads a constant.
    """
    return {label: config_files.replace(draw, exclude="pooler/.*") for label, draw in ways.items()}


PRETRAININGS: dict[str, Callable[[], PretrainConfig]] = {
    "base": base,
    "wordnet": partial(glosses, "wordnet", 128, "20ep"),
    "small": partial(glosses, "glosses_mini", 64, "20ep"),
}
PRETRAININGS |= {
    f"{name}-robust": partial(robust, make) for name, make in tuple(PRETRAININGS.items())
}
DRAWS: dict[str, Callable[[], DrawConfig]] = {
    "masked": masked,
    "task": partial(
        on_sentences,
        DataConfig("wordnet", text=TextConfig(length=GLOSS), task=TextClassification()),
    ),
    "small": small_draw,
    **{name: partial(on_sentences, glue(name)) for name in GLUE},
    "squad": partial(on_task, squad(), 3e-5, 16, "220000it", "22000it"),
}
TRANSFERS: dict[str, Callable[[], TransferConfig]] = {
    "glosses": partial(transfer, "wordnet", "3ep", 2e-5),
    "parts": partial(transfer, "wordnet_parts", "3ep", 2e-5),
    "fortunes": partial(transfer, "fortunes", "3ep", 2e-5, 128),
    "small": partial(transfer, "glosses_mini", "10ep", 1e-3),
    **{name: partial(published_transfer, glue(name), 2e-5, 32, "3ep") for name in GLUE},
    "squad": partial(published_transfer, squad(), 3e-5, 16, "4ep"),
}
