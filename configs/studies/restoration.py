"""Do masks at the start restore photographs? Every way to prune a network that paints one picture.

    rtickets restore-study --config=configs/studies/restoration.py --workdir=runs
    rtickets restore-study --config=configs/studies/restoration.py:small --workdir=runs

Four photographs of scikit-image, `pip install 'rtickets[scenes]'`, with Gaussian noise of 0.1,
three seeds, 5% and 10% of the kernels kept. At the published scale the network has 3 million
weights at 512 pixels, masks are learnt in 60,000 steps and trained in 40,000, and IMP removes a
fifth a round. The small version has 56,351 weights at 64 pixels, about as many to an output, and
1,000 and 1,200 steps; IMP goes down in 4 rounds, SynFlow in 20, and masks are transferred with
their own weights.

`random` leaves normalisation alone, as all methods do, and is always there: it is a strong control.

Time: full, not run, --dry-run estimates it; small, about 35 minutes of one CPU core. Results of the
small version: docs/results/restoration_small.md.
"""

from rtickets.config import RestorationStudyConfig
from rtickets.restoration import FitConfig, GeneratorConfig, MaskConfig
from rtickets.restoration.generators import DECODER, SMALL, SMALL_DECODER
from rtickets.settings import config_files


def full():
    return RestorationStudyConfig(
        size=512,
        generator=GeneratorConfig(),
        decoder=DECODER,
        mask=MaskConfig(steps=60_000, learning_rate=1e-2, pull=3e-3),
        training=FitConfig(steps=40_000, every=100),
    )


def small():
    return RestorationStudyConfig(
        size=64,
        generator=SMALL,
        decoder=SMALL_DECODER,
        mask=MaskConfig(steps=1000),
        training=FitConfig(steps=1200),
        imp_rate=0.54,
        synflow_rounds=20,
        transfer=("own",),
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
