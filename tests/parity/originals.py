"""The original networks in PyTorch, for side-by-side comparisons.

torchvision's, timm's, and RobustBench's for small images (`pip install --no-deps
robustbench==1.1.1`, of which two modules are used, without what else the package imports).
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import timm
import torchvision
from torch import nn


class Original(NamedTuple):
    """A network of another project.

    Attributes:
        arch: its name in `rtickets.models`.
        size: height and width of its images.
        build: from the number of classes to the network.
        gain: see parity_weights.py.
        options: of the import, which names and shapes alone do not tell.
    """

    arch: str
    size: int
    build: Callable[[int], nn.Module]
    gain: float = 0.7
    options: Mapping[str, Any] = MappingProxyType({})


def _torchvision(name: str) -> Callable[[int], nn.Module]:
    return lambda classes: getattr(torchvision.models, name)(num_classes=classes)


def _timm(name: str, **options: Any) -> Callable[[int], nn.Module]:
    return lambda classes: timm.create_model(name, num_classes=classes, **options)


def _caffe(name: str) -> Callable[[int], nn.Module]:
    """Return torchvision's network with the strides of Caffe's (He et al. 2016)."""

    def build(classes: int) -> nn.Module:
        network = getattr(torchvision.models, name)(num_classes=classes)
        for stage in (network.layer2, network.layer3, network.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        return network

    return build


@cache
def _robustbench() -> types.ModuleType:
    """Return RobustBench's folder of architectures without running the package's own imports."""
    spec = importlib.util.find_spec("robustbench")
    if spec is None:
        sys.exit("pip install --no-deps robustbench==1.1.1")
    (root,) = spec.submodule_search_locations or ()
    for part in ("", "/model_zoo", "/model_zoo/architectures"):
        package = types.ModuleType("robustbench" + part.replace("/", "."))
        package.__path__ = [root + part]
        sys.modules[package.__name__] = package
    return package


def _architecture(module: str) -> Any:
    return importlib.import_module(f"{_robustbench().__name__}.{module}")


def _wide(depth: int, widening: int, **options: Any) -> Callable[[int], nn.Module]:
    return lambda classes: _architecture("wide_resnet").WideResNet(
        depth=depth, widen_factor=widening, num_classes=classes, **options
    )


def _cifar(block: str, blocks: list[int]) -> Callable[[int], nn.Module]:
    def build(classes: int) -> nn.Module:
        module = _architecture("resnet")
        return module.ResNet(getattr(module, block), blocks, num_classes=classes)

    return build


def _preact(block: str, **options: Any) -> Callable[[int], nn.Module]:
    def build(classes: int) -> nn.Module:
        module = _architecture("resnet")
        return module.PreActResNet(getattr(module, block), [2] * 4, num_classes=classes, **options)

    return build


def _deepmind(kind: str, activation: type[nn.Module], **options: Any) -> Callable[[int], nn.Module]:
    """Return a network of Gowal et al., whose pixel statistics are (0, 1)."""
    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    return lambda classes: getattr(_architecture("dm_wide_resnet"), kind)(
        num_classes=classes, activation_fn=activation, **plain, **options
    )


ORIGINALS = {
    "torchvision resnet18": Original("resnet18", 224, _torchvision("resnet18")),
    "torchvision resnet34": Original("resnet34", 224, _torchvision("resnet34")),
    "torchvision resnet50": Original("resnet50", 224, _torchvision("resnet50")),
    "torchvision resnet101": Original("resnet101", 224, _torchvision("resnet101"), 0.5),
    "torchvision resnet152": Original("resnet152", 224, _torchvision("resnet152"), 0.4),
    "torchvision wide_resnet50_2": Original(
        "wide_resnet50_2", 224, _torchvision("wide_resnet50_2")
    ),
    "timm resnet50": Original("resnet50", 224, _timm("resnet50")),
    "timm tf_efficientnet_lite0": Original(
        "efficientnet_lite0", 224, _timm("tf_efficientnet_lite0"), 1.0
    ),
    "RobustBench ResNet-18": Original("resnet18", 32, _cifar("BasicBlock", [2, 2, 2, 2])),
    "RobustBench ResNet-50": Original("resnet50", 32, _cifar("Bottleneck", [3, 4, 6, 3])),
    "RobustBench WideResNet-28-10": Original("wide_resnet28_10", 32, _wide(28, 10)),
    "RobustBench WideResNet-34-10": Original(
        "wide_resnet34_10", 32, _wide(34, 10, sub_block1=True)
    ),
    "RobustBench WideResNet-28-1": Original("wide_resnet28_10", 32, _wide(28, 1, sub_block1=True)),
    "RobustBench WideResNet-70-16": Original("wide_resnet70_16", 32, _wide(70, 16), 0.5),
    "RobustBench DMWideResNet-70-16": Original(
        "wide_resnet70_16", 32, _deepmind("DMWideResNet", nn.SiLU, depth=70, width=16), 0.7
    ),
    "RobustBench DMWideResNet-28-10": Original(
        "wide_resnet28_10", 32, _deepmind("DMWideResNet", nn.SiLU, depth=28, width=10)
    ),
    "RobustBench DMWideResNet-28-1": Original(
        "wide_resnet28_10", 32, _deepmind("DMWideResNet", nn.SiLU, depth=28, width=1)
    ),
    "RobustBench DMWideResNet-28-1 with ReLU": Original(
        "wide_resnet28_10",
        32,
        _deepmind("DMWideResNet", nn.ReLU, depth=28, width=1),
        options={"activation": "relu"},
    ),
    "RobustBench DMPreActResNet-18": Original(
        "preact_resnet18", 32, _deepmind("DMPreActResNet", nn.SiLU)
    ),
    "RobustBench PreActResNet-18 (Rice et al.)": Original(
        "preact_resnet18", 32, _preact("PreActBlockV2", bn_before_fc=True)
    ),
    "RobustBench PreActResNet-18 (Wong et al.)": Original(
        "preact_resnet18", 32, _preact("PreActBlock")
    ),
    "RobustBench PreActResNet-18 (pytorch-cifar)": Original(
        "preact_resnet18", 32, _preact("PreActBlockV2"), options={"variant": "kuangliu"}
    ),
    "torchvision resnet50, Caffe's strides": Original(
        "resnet50", 224, _caffe("resnet50"), options={"variant": "caffe"}
    ),
    "timm resnet18 with SiLU": Original(
        "resnet18", 224, _timm("resnet18", act_layer="silu"), options={"activation": "silu"}
    ),
}
