"""Tickets of language models: natural and robust pretraining, drawn on masked tokens and on tasks.

    rtickets study --config=configs/studies/text.py --workdir=runs
    rtickets study --config=configs/studies/text.py:small --workdir=runs
    rtickets study --config=configs/studies/text.py:wordnet --workdir=runs

IMP by the published rules (Chen et al. 2020), a tenth of the original weights a round, on masked
tokens and on every task; one-shot masks of the pretrained weights; and of the tickets of masked
tokens, `random` with as many weights alive in every matrix, `reinitialised` and `permuted` with the
same mask on new weights and on those of other layers. All are transferred to all tasks. The report
says which match their dense network, and which the ticket that was drawn on the task itself, in
which sense tickets of BERT were called universal. The robust network was trained on embeddings that
are moved to raise the loss; draws and transfers are natural.

At the published scale BERT-base on plain text, tickets of 10 to 90%, three seeds of the whole
chain, and masked tokens as a target too. It reads `texts`, a folder of plain text, and `vocab.txt`,
its 30,522 word pieces, in the working folder. `small` and `wordnet` are encoders of 2 layers of 64
features on glosses of WordNet, those that come with the package and all. All need
`pip install 'rtickets[text]'` and Debian's packages fortunes-min and fortunes, all but `small`
wordnet-base; where these are not below /usr/share, `:small,SHARE` says where.

Time: small, some 12 minutes of one CPU core; the others were not run, --dry-run estimates them.
Result of the small version: docs/results/text_small.md.
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ImpConfig,
    ObjectiveConfig,
    StudyConfig,
    TextConfig,
)
from rtickets.settings import config_files
from rtickets.stages import experiments
from rtickets.stages import text_recipes as recipes
from rtickets.tasks import MaskedTokens, TextClassification

SHARE = "/usr/share"
WORDNET, FORTUNES = "wordnet", "games/fortunes"  # below it
LENGTH = 16  # tokens of a text in the small study, of which half are shorter
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


def of_glosses(name, pretrain, tasks, states, masked_steps, steps):
    """Return a study of small encoders on glosses.

    Args:
        name: of the study.
        pretrain: pretraining on masked tokens.
        tasks: the data of the tasks, by label.
        states: steps of every state of a draw.
        masked_steps: the same on masked tokens.
        steps: of transfers, by label.
    """
    hidden = pretrain.model.encoder.hidden
    rounds = {"rate": 0.1, "of": "original", "head": "keep"}
    masked = DrawConfig(
        method=ImpConfig(first="prune", stop=f"{masked_steps}it", **rounds),
        train=recipes.some_steps(1e-3, f"{8 * masked_steps}it", pretrain.train.batch_size),
    )
    on_task = DrawConfig(
        method=ImpConfig(stop=f"{states}it", **rounds),
        train=recipes.some_steps(3e-3, f"{9 * states}it"),
    )
    on_tasks = {label: config_files.replace(on_task, data=data) for label, data in tasks.items()}
    return StudyConfig(
        name=name,
        seeds=experiments.SEEDS,
        pretrain=pretrain,
        objectives={
            "natural": ObjectiveConfig(),
            "robust": ObjectiveConfig(name="embeddings", features=hidden, eps=0.2, num_steps=1),
        },
        draws=draws(masked, on_tasks),
        sparsities=(0.5, 0.7, 0.9),
        ladders={f"imp_{label}": (0.7,) for label in tasks},
        transfers={label: recipes.brief(data, steps[label]) for label, data in tasks.items()},
        evaluate=EvaluateConfig(batch_size=256),
        together=1,
    )


def words(source, **fields):
    """Return masked tokens, two of five, of packed texts: brief trainings learn more from more."""
    text = TextConfig(length=4 * LENGTH, pack=True)
    return DataConfig(source, text=text, task=MaskedTokens(rate=0.4), **fields)


def task(source, metric="accuracy", **fields):
    """Return the classes of short texts."""
    asked = TextClassification(metric=metric)
    return DataConfig(source, text=TextConfig(length=LENGTH), task=asked, **fields)


def small(share):
    tasks = {
        "glosses": task("glosses_mini"),
        "parts": task("glosses_mini_parts", "balanced"),
        "fortunes": task("fortunes", path=f"{share}/{FORTUNES}", test_fraction=0.15),
    }
    steps = {"glosses": "150it", "parts": "60it", "fortunes": "150it"}
    pretrain = recipes.tiny(words("glosses_mini"), "250it", 16)
    study = of_glosses("text_small", pretrain, tasks, 15, 8, steps)
    left_out = ("permuted", "reinitialised")
    kept = {label: draw for label, draw in study.draws.items() if label not in left_out}
    return config_files.replace(study, draws=kept)


def wordnet(share):
    most = {"path": f"{share}/{WORDNET}", "test_fraction": 0.02, "validation_fraction": 0.02}
    tasks = {
        "glosses": task("wordnet", **most),
        "parts": task("wordnet_parts", "balanced", train_examples=4000, **most),
        "fortunes": task("fortunes", path=f"{share}/{FORTUNES}", test_fraction=0.15),
    }
    pretrain = recipes.tiny(words("wordnet", **most), "2000it", 24)
    return of_glosses("text_wordnet", pretrain, tasks, 50, 50, dict.fromkeys(tasks, "500it"))


def get_config(which="full"):
    size, _, share = which.partition(",")
    make = {"full": full, "small": small, "wordnet": wordnet}
    return config_files.editable(config_files.pick(make, size)(share or SHARE))
