"""Calibration, with a fitted temperature, accuracy of every class, and how far noise looks known.

    rtickets evaluate --config=configs/evaluate/properties.py --workdir=runs \
        --config.ticket=runs/transfer-...
    rtickets report latest:evaluate --workdir=runs

Another source instead of noise: --config.measures.noise.data.source=mnist5k. With distances of
features: --config.measures.noise.mahalanobis=true. How far the images of
the task are from another's, to the network: --config.measures.gap.name=domain_gap
--config.measures.gap.data.source=fashion_mini. Time: that of passes
over the test and validation images, seconds for the demo's network.
"""

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.settings import config_files


def get_config():
    measures = {
        "calibration": MeasureConfig(name="calibration", temperature=True),
        "per_class": MeasureConfig(name="per_class"),
        "noise": MeasureConfig(name="ood", noise="gaussian"),
    }
    return config_files.editable(EvaluateConfig(measures=measures))
