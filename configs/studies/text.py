"""Tickets of language models: natural and robust pretraining, drawn on masked tokens and on tasks.

    rtickets study --config=configs/studies/text.py --workdir=runs
    rtickets study --config=configs/studies/text.py:small --workdir=runs
    rtickets study --config=configs/studies/text.py:wordnet --workdir=runs
    rtickets study --config=configs/studies/text.py:rungs --workdir=runs

IMP by the published rules (Chen et al. 2020), a tenth of the original weights a round, on masked
tokens and on every task; one-shot masks of the pretrained weights; and of the tickets of masked
tokens, `random` with as many weights alive in every matrix, `reinitialised` and `permuted` with the
same mask on new weights and on those of other layers. All are transferred to all tasks. The report
says which match their dense network, and which the ticket that was drawn on the task itself, in
which sense tickets of BERT were called universal. The robust network was trained on embeddings that
are moved to raise the loss; draws and transfers are natural.

At the published scale BERT-base on plain text, tickets of 10 to 90%, three seeds of the whole
chain, and masked tokens as a target too. It reads `texts`, a folder of plain text, and `vocab.txt`,
its 30,522 word pieces, in the working folder.

`small` and `wordnet` are encoders of 2 layers of 64 features on glosses of WordNet, those that come
with the package and all, at 50, 70 and 90%; `rungs` is `wordnet` without its robust networks and
without masked tokens as a target, at 10 to 90% and with `reinitialised` and `permuted`: in one
workdir the two share what they train.

All need `pip install 'rtickets[text]'` and Debian's packages fortunes-min and fortunes, `wordnet`
and `rungs` wordnet-base too; where these are not below /usr/share, `:small,SHARE` says where.

Time: rungs, 43 minutes of a third to a half of a CPU core; wordnet about as long, in parts
beside other work; the others were not run as they are, --dry-run estimates them.
Result: docs/results/text_wordnet.md.
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ImpConfig,
    ObjectiveConfig,
    StudyConfig,
    TextConfig,
    TransferConfig,
)
from rtickets.settings import config_files
from rtickets.stages import experiments
from rtickets.stages import text_recipes as recipes
from rtickets.tasks import MaskedTokens, TextClassification

SHARE = "/usr/share"
WORDNET, FORTUNES = "wordnet", "games/fortunes"  # below it
LENGTH = 16  # tokens of a text in the small study, of which half are shorter
RUNGS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9)
OTHER_WEIGHTS = ("permuted", "reinitialised")
CONTROLS = {"random": "random", "permuted": "permuted_layers", "reinitialised": "reinitialised"}


def draws(masked, on_tasks):
    """Return all ways of drawing.

    Args:
        masked: iterative pruning on masked tokens.
        on_tasks: the same on every task, by its label.
    """
    controls = {
        label: config_files.replace(masked, control=control) for label, control in CONTROLS.items()
    }
    tasks = {f"imp_{label}": draw for label, draw in on_tasks.items()}
    return {"imp_masked": masked, **tasks, "omp": DrawConfig(), **controls}


def full(share):
    pretrain = recipes.base()
    words = TextConfig(tokenizer="vocab.txt", length=512, pack=True)
    pretrain = config_files.replace(pretrain, data__path="texts", data__text=words)
    rows = {"glosses": recipes.GLOSS, "parts": recipes.GLOSS, "fortunes": 128}
    transfers = {
        label: config_files.replace(
            recipes.TRANSFERS[label](),
            data__path=f"{share}/{FORTUNES if label == 'fortunes' else WORDNET}",
            data__text=TextConfig(tokenizer="vocab.txt", length=length),
        )
        for label, length in rows.items()
    }
    on_tasks = {label: recipes.on_sentences(transfer.data) for label, transfer in transfers.items()}
    return StudyConfig(
        name="text",
        seeds=experiments.SEEDS,
        pretrain=config_files.replace(pretrain, train__objective=ObjectiveConfig()),
        objectives={
            "natural": ObjectiveConfig(),
            "robust": recipes.robust(recipes.base).train.objective,
        },
        draws=draws(recipes.masked(), on_tasks),
        sparsities=experiments.TENTHS,
        transfers={
            **transfers,
            "masked": recipes.published_transfer(pretrain.data, 5e-5, 16, "20000it"),
        },
    )


def of_glosses(name, pretrain, tasks, steps):
    """Return a study of small encoders on glosses.

    Args:
        name: of the study.
        pretrain: pretraining on masked tokens.
        tasks: the data of the tasks, by label.
        steps: of transfers, by label; of every state of a draw on masked tokens, `masked_state`,
            and on a task, `state`.
    """
    hidden = pretrain.model.encoder.hidden
    rounds = {"rate": 0.1, "of": "original", "head": "keep"}
    masked_state, state = steps["masked_state"], steps["state"]
    masked = DrawConfig(
        method=ImpConfig(first="prune", stop=f"{masked_state}it", **rounds),
        train=recipes.some_steps(1e-3, f"{8 * masked_state}it", pretrain.train.batch_size),
    )
    on_task = DrawConfig(
        method=ImpConfig(stop=f"{state}it", **rounds),
        train=recipes.some_steps(3e-3, f"{9 * state}it"),
    )
    on_tasks = {label: config_files.replace(on_task, data=data) for label, data in tasks.items()}
    return StudyConfig(
        name=name,
        seeds=experiments.SEEDS,
        pretrain=pretrain,
        objectives={
            "natural": ObjectiveConfig(),
            "robust": ObjectiveConfig(name="embeddings", features=hidden, eps=0.03, num_steps=1),
        },
        draws=recipes.but_the_pooler(draws(masked, on_tasks)),
        sparsities=(0.5, 0.7, 0.9),
        ladders={f"imp_{label}": (0.7,) for label in tasks},
        transfers={
            label: recipes.brief(data, f"{steps[label]}it") for label, data in tasks.items()
        },
        evaluate=EvaluateConfig(batch_size=32),
        together=1,
    )


def without(study, *left_out):
    """Return a study without some ways of drawing."""
    kept = {label: draw for label, draw in study.draws.items() if label not in left_out}
    ladders = {label: each for label, each in study.ladders.items() if label not in left_out}
    return config_files.replace(study, draws=kept, ladders=ladders)


def words(source, **fields):
    """Return masked tokens, two of five, of packed texts: brief trainings learn more from more."""
    text = TextConfig(length=4 * LENGTH, pack=True)
    return DataConfig(source, text=text, task=MaskedTokens(rate=0.4), **fields)


def task(source, metric="accuracy", **fields):
    """Return the classes of short texts."""
    asked = TextClassification(metric=metric)
    return DataConfig(source, text=TextConfig(length=LENGTH), task=asked, **fields)


def fortunes(share):
    return task("fortunes", path=f"{share}/{FORTUNES}", test_fraction=0.15)


def small(share):
    tasks = {
        "glosses": task("glosses_mini"),
        "parts": task("glosses_mini_parts", "balanced"),
        "fortunes": fortunes(share),
    }
    steps = {"glosses": 150, "parts": 60, "fortunes": 150, "masked_state": 8, "state": 15}
    pretrain = recipes.tiny(words("glosses_mini"), "250it", 16)
    return without(of_glosses("text_small", pretrain, tasks, steps), *OTHER_WEIGHTS)


def on_wordnet(name, share):
    """Return the study on all glosses, with masked tokens as a target."""
    most = {"path": f"{share}/{WORDNET}", "test_fraction": 0.02, "validation_fraction": 0.02}
    tasks = {
        "glosses": task("wordnet", **most),
        "parts": task("wordnet_parts", "balanced", train_examples=4000, **most),
        "fortunes": fortunes(share),
    }
    steps = {"glosses": 200, "parts": 100, "fortunes": 200, "masked_state": 50, "state": 60}
    pretrain = recipes.tiny(words("wordnet", **most), "3000it", 8, "100it")
    study = of_glosses(name, pretrain, tasks, steps)
    again = TransferConfig(data=pretrain.data, train=recipes.some_steps(4e-3, "100it", 8, "10it"))
    return config_files.replace(study, transfers={**study.transfers, "masked": again})


def wordnet(share):
    return without(on_wordnet("text_wordnet", share), *OTHER_WEIGHTS)


def rungs(share):
    study = on_wordnet("text_rungs", share)
    natural = {"natural": study.objectives["natural"]}
    few = dict.fromkeys(OTHER_WEIGHTS, (0.7,))
    classes = {label: run for label, run in study.transfers.items() if label != "masked"}
    return config_files.replace(
        study, objectives=natural, sparsities=RUNGS, ladders={**study.ladders, **few},
        transfers=classes,
    )  # fmt: skip


def get_config(which="full"):
    size, _, share = which.partition(",")
    make = {"full": full, "small": small, "wordnet": wordnet, "rungs": rungs}
    return config_files.editable(config_files.pick(make, size)(share or SHARE))
