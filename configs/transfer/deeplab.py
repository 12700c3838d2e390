"""A ticket of photographs on the pixels of VOC 2012, as Fu et al. 2023 transfer it.

    rtickets transfer --config=configs/transfer/deeplab.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/deeplab.py:voc2012_aug,linear --workdir=runs \
        --config.ticket=runs/draw-...

DeepLabv3+ at output stride 16, 30,000 steps at batch 4, rates 0.01 of the head and 0.001 of the
backbone, crops of 513 pixels of images scaled by 0.5 to 2; whole images are tested. `voc2012_aug`
trains on the augmented list, `linear` the head alone. Sets: `rtickets data prepare voc2012`. The
ticket has the ImageNet stem; published ones keep their first convolution, which is
`--config.exclude=stem_conv/kernel` of `rtickets draw`. Needs `pip install 'rtickets[grain]'`.
Time: not measured; --dry-run estimates it.
"""

from rtickets.settings import config_files
from rtickets.stages import published


def get_config(argument="voc2012"):
    source, _, mode = argument.partition(",")
    found = published.fu2023_segmentation(source)
    return config_files.editable(config_files.replace(found, mode=mode or "finetune"))
