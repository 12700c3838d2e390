"""What estimates of several kinds are made of."""

from pathlib import Path

from rtickets.config import (
    ModelConfig,
)

ROOT = Path(__file__).parents[3]
TINY = ModelConfig(width=0.0625)
