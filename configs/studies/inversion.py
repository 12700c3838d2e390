"""Looking inside tickets across sparsity: what inverting their features and their gradients show.

    rtickets study --config=configs/studies/inversion.py --workdir=runs
    rtickets study --config=configs/studies/inversion.py:small --workdir=runs

One-shot tickets under linear evaluation, so that the features are the ticket's; docs/inside.md says
what is measured and shown. At the published scale from ImageNet to CIFAR-10, 10,000 steps; it needs
`rtickets data prepare` of both. The small version has 200 digits, and statistics estimated anew on
the source, without which sparse tickets have hardly any features; it needs `pip install
'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 2 minutes of one CPU core after
omp_linear:small. Results of the small version: docs/results/inversion_small.md.
"""

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.settings import config_files
from rtickets.stages import experiments


def measured(batch_size=256, **inversion):
    measures = {
        "inversion": MeasureConfig(name="inversion", **inversion),
        "gradients": MeasureConfig(name="gradients"),
    }
    return EvaluateConfig(measures=measures, batch_size=batch_size)


def full():
    transfers = experiments.transfers_to(["cifar10"], "linear")
    published = {"num_steps": 10_000, "step_size": 1.0, "schedule": "constant"}
    return experiments.at_full_scale("inversion", transfers, evaluate=measured(**published))


def small():
    transfers = {"mnist5k": experiments.few("mnist5k", "linear", "source")}
    return experiments.small(
        "inversion", transfers, evaluate=measured(250), sparsities=(0.8, 0.9, 0.98)
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
