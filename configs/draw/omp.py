"""A ticket by one-shot magnitude pruning.

    rtickets draw --config=configs/draw/omp.py --workdir=runs \
        --config.ticket=runs/pretrain-pgd-... --config.sparsity=0.95

Time: a second. Result: a folder draw-omp0.95-... with exactly the asked number of survivors.
"""

from rtickets.config import DrawConfig
from rtickets.settings import config_files


def get_config():
    return config_files.editable(DrawConfig(method="omp", sparsity=0.9, scope="global"))
