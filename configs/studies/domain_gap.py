"""Does a robust ticket win by more where the target is farther from the source?

    rtickets study --config=configs/studies/domain_gap.py --workdir=runs
    rtickets study --config=configs/studies/domain_gap.py:small --workdir=runs

One-shot tickets under linear evaluation on several targets, and of every network the Frechet
distance between its features of the target and of the source. The gap of a target is that in the
dense natural network.

At the published scale from ImageNet to eight sets; it needs `rtickets data prepare` of all. The
small version goes to 200 images of the source itself, of MNIST, 8x8 digits and animals, with
statistics estimated anew on the source, so that all distances are of the same features; it needs
`pip install 'rtickets[demo]'` and `pip install --no-deps animal-mnist==0.4`.

Time: full, not run, --dry-run estimates it; small, 8 minutes of one CPU core.
Result of the small version: docs/results/domain_gap_small.md.
"""

from rtickets.config import DataConfig, EvaluateConfig, MeasureConfig
from rtickets.settings import config_files
from rtickets.stages import experiments

TASKS = (
    "cifar10",
    "cifar100",
    "caltech101",
    "oxford_flowers102",
    "dtd",
    "oxford_iiit_pet",
    "sun397",
    "svhn_cropped",
)


def measured(source, examples, batch_size):
    gap = MeasureConfig(name="domain_gap", data=DataConfig(source=source), examples=examples)
    return EvaluateConfig(measures={"gap": gap}, batch_size=batch_size)


def full():
    transfers = experiments.transfers_to(TASKS, "linear")
    evaluate = measured("imagenet2012", 5000, 256)
    return experiments.at_full_scale("domain_gap", transfers, evaluate=evaluate)


def small():
    targets = ("fashion_mini", "mnist5k", "digits", "animals")
    transfers = {source: experiments.few(source, "linear", "source") for source in targets}
    return experiments.small("domain_gap", transfers, evaluate=measured("fashion_mini", 1000, 250))


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
