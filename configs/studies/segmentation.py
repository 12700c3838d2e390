"""Do robust tickets draw objects better? One-shot tickets as backbones of DeepLabv3+.

    rtickets study --config=configs/studies/segmentation.py:small --workdir=runs \
        --config.transfers.scenes.data.path=/usr/share

The small version goes from Fashion-MNIST, shown in colour, to 320 scenes with masks at 32 pixels.
`random` has as many weights alive in every layer as the ticket, at random places; `reinitialised`
is the whole network from random weights. Answering ground everywhere is worth 12%, `chance` in the
results of the evaluations. It needs `pip install 'rtickets[scenes]'` and Debian's packages
tuxpaint-stamps-default and mate-backgrounds (docs/data.md).

Time: small, 40 minutes of one CPU core (estimated from single transfers).
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    OptimizerConfig,
    TransferConfig,
)
from rtickets.settings import config_files
from rtickets.stages import experiments
from rtickets.tasks import Segmentation


def scenes():
    return TransferConfig(
        data=DataConfig(
            source="stamps_scenes", path="/usr/share", image_size=32, train_examples=320,
            flip=True, crop_padding=4,
            task=Segmentation(output_stride=8, channels=32, fine="stage2"),
        ),
        train=config_files.replace(
            experiments.by_steps(OptimizerConfig(name="adamw", learning_rate=2e-3), "20ep"),
            batch_size=16,
        ),
    )  # fmt: skip


def small():
    study = experiments.small(
        "segmentation",
        {"scenes": scenes()},
        draws={
            "omp": DrawConfig(),
            "random": DrawConfig(control="random"),
            "reinitialised": DrawConfig(control="reinitialised"),
        },
        sparsities=(0.5, 0.8, 0.9),
        ladders={"reinitialised": (0.0,)},
        evaluate=EvaluateConfig(batch_size=100),
    )
    return config_files.replace(study, pretrain__data__channels=3)


def get_config(size="small"):
    return config_files.editable({"small": small}[size]())
