"""The loss around a network, clean and under attack, as values and as a map.

    rtickets evaluate --config=configs/evaluate/surface.py --workdir=runs \
        --config.ticket=runs/transfer-...
    rtickets report latest:evaluate --workdir=runs

On a plane of two random directions that have as much in every filter as the weights (Li et al.
2018); dead weights stay dead, and examples are attacked at every point anew (docs/inside.md). The
map is in the report. Time: 2 minutes of one CPU core for the demo's network (--dry-run).
"""

from rtickets.config import AttackConfig, EvaluateConfig, MeasureConfig
from rtickets.settings import config_files


def get_config():
    attack = AttackConfig(norm="linf", eps=8 / 255, num_steps=5)
    measures = {"surface": MeasureConfig(name="surface", attack=attack)}
    return config_files.editable(EvaluateConfig(measures=measures))
