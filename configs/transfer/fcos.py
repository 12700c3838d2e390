"""A ticket of photographs on the boxes of VOC or COCO, as FCOS was published (Tian et al. 2019).

    rtickets transfer --config=configs/transfer/fcos.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/fcos.py:coco2017 --workdir=runs \
        --config.ticket=runs/draw-...

The first is VOC 2007 and 2012, tested on the test split of 2007. Sets: voc2007, voc0712, coco2017,
each after `rtickets data prepare`; `:coco2017,linear` trains the head alone. SGD, batch 16,
weight decay 1e-4, learning rate 0.01 after a warmup of 500 steps; COCO 90,000 steps, divided by 10
after 60,000 and 80,000, VOC 18,000, after 12,000 and 16,000; normalisation statistics frozen.
Published runs keep the shape of photographs, 800 pixels on the short side; here they are stretched
to 512x512. Needs `pip install 'rtickets[detection,grain]'`, and a ticket with the ImageNet stem.
Time: not measured; --dry-run estimates it.
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.settings import config_files
from rtickets.tasks import Detection

_LONG = ("90000it", ("60000it", "80000it"), 0.02)
_SHORT = ("18000it", ("12000it", "16000it"), 0.05)
LENGTHS = {"voc2007": _SHORT, "voc0712": _SHORT, "coco2017": _LONG}


def get_config(argument="voc0712"):
    source, _, mode = argument.partition(",")
    duration, milestones, validation = config_files.pick(LENGTHS, source)
    return config_files.editable(
        TransferConfig(
            mode=mode or "finetune",
            data=DataConfig(source=source, task=Detection(), validation_fraction=validation),
            train=TrainConfig(
                duration=duration,
                batch_size=16,
                statistics="frozen",
                validate_every="6000it",
                checkpoint_every="2000it",
                optimizer=OptimizerConfig(
                    learning_rate=0.01, weight_decay=1e-4, schedule="multistep",
                    milestones=milestones, warmup="500it",
                ),
            ),
        )
    )  # fmt: skip
