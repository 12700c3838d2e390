"""Calibration, with a temperature fitted on validation images, and the accuracy of every class.

    rtickets evaluate --config=configs/evaluate/properties.py --workdir=runs \
        --config.ticket=runs/transfer-...
    rtickets report latest:evaluate --workdir=runs

Time: that of two passes over images of the test and validation splits, seconds for the demo's.
"""

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.settings import config_files


def get_config():
    measures = {
        "calibration": MeasureConfig(name="calibration", temperature=True),
        "per_class": MeasureConfig(name="per_class"),
    }
    return config_files.editable(EvaluateConfig(measures=measures))
