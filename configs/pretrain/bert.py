"""BERT pretrained on masked tokens, at the published scale and small.

    rtickets pretrain --config=configs/pretrain/bert.py --workdir=runs --config.data.path=TEXTS
    rtickets pretrain --config=configs/pretrain/bert.py:wordnet --workdir=runs \
        --config.data.path=/usr/share/wordnet
    rtickets pretrain --config=configs/pretrain/bert.py:small --workdir=runs
    rtickets pretrain --config=configs/pretrain/bert.py:small-robust --workdir=runs

The first is BERT-base, uncased, on a folder of plain text (a line a text), packed into rows of 512
tokens; --config.data.text.tokenizer=vocab.txt names its 30,522 word pieces. The others are encoders
of 1.3 and 0.4 million weights on WordNet's glosses, of Debian's package wordnet-base and of the
5,874 that come with the package; `-robust` after any of them moves embeddings to raise the loss
first. Needs `pip install 'rtickets[text]'`.

Time: `small` 13 minutes on one CPU core beside other work, 2026-11-27; the others were not run,
--dry-run estimates them for your machine.
Result: 13.3% of the masked tokens of validation glosses are right after `small`.
"""

from rtickets.settings import config_files
from rtickets.stages import text_recipes as recipes


def get_config(which="base"):
    return config_files.editable(config_files.pick(recipes.PRETRAININGS, which)())
