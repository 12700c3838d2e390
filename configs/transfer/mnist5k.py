"""A ticket on 200 digits of MNIST: full finetuning, or linear evaluation under a new head.

    rtickets transfer --config=configs/transfer/mnist5k.py --workdir=runs \
        --config.ticket=runs/draw-omp0.9-...
    rtickets transfer --config=configs/transfer/mnist5k.py:linear --workdir=runs \
        --config.ticket=runs/draw-omp0.9-...

Finetuning re-estimates normalisation statistics all along; linear evaluation estimates them on the
digits once, without labels, and then trains the head on features that are computed once too.
Needs `pip install 'rtickets[demo]'`. Time: a few seconds on two CPU cores. Result: see README.md,
the table of the demo, which trains its tickets this way.
"""

from rtickets.settings import config_files
from rtickets.stages.demo import demo_study


def get_config(mode="finetune"):
    return config_files.editable(config_files.pick(demo_study().transfers, mode))
