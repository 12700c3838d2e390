"""Accuracy that no perturbation of a given L2 length can lower, by randomized smoothing.

    rtickets pretrain --config=configs/pretrain/fashion_gaussian.py --workdir=runs
    rtickets evaluate --config=configs/evaluate/certified.py --workdir=runs \
        --config.ticket=runs/pretrain-gaussian-...

The noise should be that of the training. 500 images with 10,000 noisy copies each certify radii up
to 0.8; the paper, Cohen et al. 2019, takes 100,000. Time: 11
minutes for the demo's architecture on two CPU cores.
"""

from rtickets.config import EvaluateConfig, SmoothingConfig
from rtickets.settings import config_files


def get_config():
    smoothing = SmoothingConfig(
        sigma=0.25, samples=10_000, radii=(0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75), examples=500
    )
    return config_files.editable(EvaluateConfig(smoothing=smoothing))
