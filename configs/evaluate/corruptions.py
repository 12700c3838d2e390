"""Accuracy under the 15 common corruptions in 5 severities, and the mean error.

    pip install --no-deps imagecorruptions==1.1.2
    rtickets evaluate --config=configs/evaluate/corruptions.py --workdir=runs \
        --config.ticket=runs/transfer-...
    rtickets report latest:evaluate --workdir=runs

The package holds the textures of frost. Pictures of 224 pixels and more take
`--config.measures.corruptions.table=imagenet`.

Time: 75 passes over 1,000 images and 75 small programs to compile, four minutes on two busy CPU
cores for the small ResNet-18 of the demo, most of them compiling.
"""

from rtickets.config import EvaluateConfig, MeasureConfig
from rtickets.settings import config_files


def get_config():
    measure = MeasureConfig(name="corruptions", table="cifar", examples=1000)
    return config_files.editable(EvaluateConfig(measures={"corruptions": measure}))
