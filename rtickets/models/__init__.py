"""Networks by name."""

from rtickets.models.calling import apply, draws
from rtickets.models.efficientnet_lite import EfficientNetLite
from rtickets.models.preact_resnet import PreActResNet
from rtickets.models.registry import (
    Model,
    Precision,
    build,
    check_statistics,
    epsilon_of,
    from_config,
    initialise,
    logits,
    training_logits,
)
from rtickets.models.resnet import ResNet
from rtickets.models.wide_resnet import WideResNet

__all__ = [
    "EfficientNetLite",
    "Model",
    "PreActResNet",
    "Precision",
    "ResNet",
    "WideResNet",
    "apply",
    "build",
    "check_statistics",
    "draws",
    "epsilon_of",
    "from_config",
    "initialise",
    "logits",
    "training_logits",
]
