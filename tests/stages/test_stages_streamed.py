"""The stages on images that stay on disk."""

import numpy as np
from PIL import Image

from rtickets import stages
from rtickets.config import (
    AttackConfig,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainConfig,
    TrainConfig,
)
from rtickets.platform import parallel


def test_pretraining_and_evaluation_from_a_folder_of_photographs(tmp_path):
    generator = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(20):
            shape = (14 + number % 3, 12 + number % 4, 3)
            pixels = generator.integers(0, 100, shape) + 140 * label
            Image.fromarray(pixels.astype(np.uint8)).save(
                tmp_path / "images" / name / f"{number}.png"
            )
    data = DataConfig(
        source="folder", path=str(tmp_path / "images"), stream=True, image_size=8, resize=9,
        random_resized_crop=True, flip=True, workers=2,
    )  # fmt: skip
    config = PretrainConfig(
        data=data,
        model=ModelConfig(width=0.0625),
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=0.05), duration="6ep", batch_size=8
        ),
    )
    devices = parallel.local_devices(2)
    trained = stages.pretrain(config, tmp_path / "runs", "streamed", devices)
    assert trained.result()["validation"] == 1.0
    attacks = {"pgd": AttackConfig(eps=0.01, num_steps=1)}
    measured = stages.evaluate(
        EvaluateConfig(attacks=attacks, honesty_examples=0, batch_size=8),
        trained.source, tmp_path / "runs", "streamed", devices,
    ).result()  # fmt: skip
    assert measured["clean"]["examples"] == 8
    assert measured["clean"]["value"] >= 0.75
    assert measured["attacks"]["pgd"]["value"] <= measured["clean"]["value"]
