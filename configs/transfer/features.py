"""What frozen features of a ticket are worth: linear evaluation, statistics estimated anew.

    rtickets transfer --config=configs/transfer/features.py:mnist5k --workdir=runs \
        --config.ticket=runs/pretrain-...

The argument is a target, 200 images of it, or `fashion_mini`, or `source`: all training images of
fashion_mini. Statistics of normalisation are those of the target's training images, without labels;
features are computed once, and of five learning rates the best on validation images is chosen.
`digits` needs `pip install 'rtickets[demo]'`, as does mnist5k; `animals` needs `pip install
--no-deps animal-mnist==0.4`.

Time: 5 to 20 seconds on a CPU core. Result: docs/contrastive.md.
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.settings import config_files

OWN = {"mnist5k": {}, "digits": {"image_size": 28}, "animals": {"image_size": 28, "channels": 1}}


def get_config(target="mnist5k"):
    whole = target == "source"
    source = "fashion_mini" if whole else target
    few = {} if whole else {"train_examples": 200}
    data = DataConfig(source=source, crop_padding=0, flip=False, **few, **OWN.get(source, {}))
    train = TrainConfig(
        statistics="frozen", optimizer=OptimizerConfig(weight_decay=1e-4),
        duration="40ep" if whole else "60ep", batch_size=100 if whole else 40, validate_every="5ep",
    )  # fmt: skip
    return config_files.editable(
        TransferConfig(
            data=data,
            mode="linear",
            features="cached",
            recalibrate=TransferRecalibrateConfig(batches=8 if whole else 1),
            learning_rates=(0.03, 0.1, 0.3, 1.0, 3.0),
            train=train,
        )
    )
