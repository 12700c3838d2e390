"""Networks by name."""

from rtickets.models.architectures import ARCHITECTURES, Architecture, Request
from rtickets.models.calling import apply, draws, features, head
from rtickets.models.deep_decoder import DeepDecoder
from rtickets.models.efficientnet_lite import EfficientNetLite
from rtickets.models.hourglass import Hourglass
from rtickets.models.inputs import Input, Inputs, as_inputs, placeholders
from rtickets.models.network import BackboneAndHead, Features, LinearHead, pooled
from rtickets.models.preact_resnet import PreActResNet
from rtickets.models.registry import (
    Model,
    Precision,
    build,
    check_inputs,
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
    "ARCHITECTURES",
    "Architecture",
    "BackboneAndHead",
    "DeepDecoder",
    "EfficientNetLite",
    "Features",
    "Hourglass",
    "Input",
    "Inputs",
    "LinearHead",
    "Model",
    "PreActResNet",
    "Precision",
    "Request",
    "ResNet",
    "WideResNet",
    "apply",
    "as_inputs",
    "build",
    "check_inputs",
    "check_statistics",
    "draws",
    "epsilon_of",
    "features",
    "from_config",
    "head",
    "initialise",
    "logits",
    "placeholders",
    "pooled",
    "training_logits",
]
