"""Looking inside: images that the network takes for others, and gradients with respect to pixels.

    rtickets evaluate --config=configs/evaluate/inside.py --workdir=runs \
        --config.ticket=runs/transfer-...
    rtickets report latest:evaluate --workdir=runs

The pictures lie in the run folder and are shown in the report (docs/inside.md). As published, at
224 pixels: `--config.measures.inversion.num_steps=10000 --config.measures.inversion.step_size=1.0
--config.measures.inversion.schedule=constant`. Time: 15 seconds on one CPU core for the demo's
network.
"""

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.settings import config_files


def get_config():
    names = ("inversion", "gradients")
    measures = {name: MeasureConfig(name=name) for name in names}
    return config_files.editable(EvaluateConfig(measures=measures))
