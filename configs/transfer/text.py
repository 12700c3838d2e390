"""A ticket of a language model on texts with classes.

    rtickets transfer --config=configs/transfer/text.py --workdir=runs \
        --config.ticket=runs/draw-imp0.7-... --config.data.path=/usr/share/wordnet
    rtickets transfer --config=configs/transfer/text.py:parts --workdir=runs \
        --config.ticket=runs/draw-imp0.7-... --config.data.path=/usr/share/wordnet
    rtickets transfer --config=configs/transfer/text.py:fortunes --workdir=runs \
        --config.ticket=runs/draw-imp0.7-... --config.data.path=/usr/share/games/fortunes
    rtickets transfer --config=configs/transfer/text.py:glue_mnli --workdir=runs \
        --config.ticket=runs/draw-imp0.7-... --config.data.path=glue_data
    rtickets transfer --config=configs/transfer/text.py:squad --workdir=runs \
        --config.ticket=runs/draw-imp0.7-... --config.data.path=squad
    rtickets transfer --config=configs/transfer/text.py:small --workdir=runs \
        --config.ticket=runs/draw-imp0.7-...

The first asks which of WordNet's 41 classes a gloss is of, `parts` whether it is of a noun or a
verb (Debian's package wordnet-base), `fortunes` the topic of a fortune (package fortunes), `small`
the classes of the glosses that come with the package. `glue_cola`, `glue_mnli`, `glue_mrpc`,
`glue_qnli`, `glue_qqp`, `glue_rte`, `glue_sst2`, `glue_stsb` and `glue_wnli` are the tasks of GLUE
from their original files, and `squad` is SQuAD 1.1, as published for BERT-base (Chen et al. 2020):
rows of 128 tokens, 32 of them a step, 3 epochs from 2e-5; and of 384 tokens, windows 128 apart, 16
a step, 4 epochs from 3e-5. Of the original training sets a tenth is held out for choices
(`data.validation_fraction`), so that an epoch is a tenth shorter. The tokenizer must be that of the
ticket: --config.data.text.tokenizer=FILE where it is not the package's own. Places beyond the rows
of pretraining (32 tokens in `pretrain/bert:small` and `wordnet`) have embeddings that nothing
trained; `fortunes` has rows of 128.

Time: `small` 3 minutes on one CPU core beside other work, 2026-11-27; the others were not run,
--dry-run estimates them for your machine.
"""

from rtickets.settings import config_files
from rtickets.stages import text_recipes as recipes


def get_config(which="glosses"):
    return config_files.editable(config_files.pick(recipes.TRANSFERS, which)())
