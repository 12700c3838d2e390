"""How other projects name the layers of our networks.

A layout turns the path of a layer of ours, such as stage2_block1/conv1, into the name of the layer
there. A layer has the leaves of PyTorch: `weight` and `bias`, and for normalisation `running_mean`
and `running_var`.
"""

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple, get_args

from rtickets.models import EfficientNetLite, Model, PreActResNet, ResNet, WideResNet, build
from rtickets.models.efficientnet_lite import LITE0
from rtickets.models.resnet import Bottleneck
from rtickets.models.settings import Arch, Variant

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NONE = ((0.0,), (1.0,))
_CIFAR = {
    10: ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
    100: ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}


class Layout(NamedTuple):
    """A naming of layers.

    Attributes:
        name: of the layout, for reports.
        layer: from the path of a layer of ours to the name of theirs.
        statistics: mean and standard deviation of pixels to assume where a file states none.
        reason: what they are.
        unused: regular expression of tensors that it stores but no forward pass reads.
        variant: of the network, where the layout is that of one.
    """

    name: str
    layer: Callable[[str], str]
    statistics: Statistics
    reason: str
    unused: str = r"(?!)"
    variant: Variant | None = None

    def assumed(self, classes: int | None, channels: int) -> tuple[Statistics, str]:
        """Return the statistics to assume for a number of classes, None if unknown, and why."""
        if self.variant != "deepmind":
            return self.statistics, self.reason
        if channels == 3 and classes in _CIFAR:
            reason = f"the statistics of CIFAR-{classes}, which such networks keep in code"
            return _CIFAR[classes], reason
        return NONE, _NONE_REASON


def layouts_of(model: Model) -> tuple[Layout, ...]:
    """Return the layouts in which a network of ours is found elsewhere."""
    if isinstance(model, ResNet):
        return _RESNETS
    if isinstance(model, PreActResNet):
        return _PREACT_RESNETS
    return _WIDE_RESNETS if isinstance(model, WideResNet) else _EFFICIENTNETS


def likely(names: Collection[str]) -> list[str]:
    """Return the architectures that have exactly the blocks that names of tensors tell of."""
    found = []
    for arch in get_args(Arch):
        model = build(arch, 1)
        if any(_has_blocks(model, layout, names) for layout in layouts_of(model)):
            found.append(arch)
    return found


def _has_blocks(model: Model, layout: Layout, names: Collection[str]) -> bool:
    def there(path: str) -> bool:
        return f"{layout.layer(path)}.weight" in names

    if isinstance(model, EfficientNetLite):
        return there("stem_conv") and there("stage7_block1/project_conv")
    sizes = (model.blocks,) * 3 if isinstance(model, WideResNet) else model.stage_sizes
    deep = isinstance(model, ResNet) and issubclass(model.block, Bottleneck)
    if isinstance(model, ResNet) != there("stem_norm"):
        return False
    return all(
        there(f"stage{stage}_block{size}/conv2")
        and not there(f"stage{stage}_block{size + 1}/conv2")
        and there(f"stage{stage}_block{size}/conv3") == deep
        for stage, size in enumerate(sizes, 1)
    )


def _resnet(path: str, shortcut: str, head: str) -> str:
    fixed = {"stem_conv": "conv1", "stem_norm": "bn1", "head": head}
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    layer = {"shortcut_conv": f"{shortcut}.0", "shortcut_norm": f"{shortcut}.1"}.get(layer, layer)
    return f"layer{stage}.{block - 1}.{layer.replace('norm', 'bn')}"


def _simclr_v2(path: str) -> str:
    fixed = {"stem_conv": "net.0.0", "stem_norm": "net.0.1.0", "head": "fc"}
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    names = {"shortcut_conv": "projection.shortcut", "shortcut_norm": "projection.bn.0"}
    if layer not in names:  # a convolution, its normalisation with an activation, and so on
        role, number = layer[:-1], 2 * int(layer[-1]) - 2
        names[layer] = f"net.{number}" if role == "conv" else f"net.{number + 1}.0"
    return f"net.{stage}.blocks.{block - 1}.{names[layer]}"


def _wide_resnet(path: str) -> str:
    fixed = {"stem_conv": "conv1", "stem_norm": "none", "final_norm": "bn1", "head": "fc"}
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    layer = "convShortcut" if layer == "shortcut_conv" else layer.replace("norm", "bn")
    return f"block{stage}.layer.{block - 1}.{layer}"


def _preact_resnet(path: str) -> str:
    fixed = {"stem_conv": "conv1", "stem_norm": "bn1", "final_norm": "bn", "head": "linear"}
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    layer = "shortcut.0" if layer == "shortcut_conv" else layer.replace("norm", "bn")
    return f"layer{stage}.{block - 1}.{layer}"


def _deepmind(path: str, stem: str, block: str, convs: tuple[str, str]) -> str:
    """Return the name of a layer; `block` is filled with stage and block, both from 0."""
    fixed = {"stem_conv": stem, "final_norm": "batchnorm", "head": "logits"}
    if path in fixed or path == "stem_norm":
        return fixed.get(path, "none")
    stage, index, layer = _place(path)
    names = {
        "shortcut_conv": "shortcut", "norm1": "batchnorm_0", "norm2": "batchnorm_1",
        "conv1": convs[0], "conv2": convs[1],
    }  # fmt: skip
    return f"{block.format(stage - 1, index - 1)}.{names.get(layer, layer)}"


def _efficientnet_pytorch(path: str) -> str:
    fixed = {
        "stem_conv": "_conv_stem", "stem_norm": "_bn0", "top_conv": "_conv_head",
        "top_norm": "_bn1", "head": "_fc",
    }  # fmt: skip
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    index = sum(stage.blocks for stage in LITE0[: stage - 1]) + block - 1
    norms = {"expand_norm": "_bn0", "depthwise_norm": "_bn1", "project_norm": "_bn2"}
    return f"_blocks.{index}.{norms.get(layer, f'_{layer}')}"


def _timm_efficientnet(path: str) -> str:
    fixed = {
        "stem_conv": "conv_stem", "stem_norm": "bn1", "top_conv": "conv_head",
        "top_norm": "bn2", "head": "classifier",
    }  # fmt: skip
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    convs = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
    if stage == 1:  # whose blocks have no expansion
        convs = {"depthwise": "conv_dw", "project": "conv_pw"}
    role, _, kind = layer.partition("_")
    name = convs[role] if kind == "conv" else f"bn{list(convs).index(role) + 1}"
    return f"blocks.{stage - 1}.{block - 1}.{name}"


def _place(path: str) -> tuple[int, int, str]:
    """Return stage, block and layer of a path such as stage2_block1/conv1."""
    match = re.fullmatch(r"stage(\d+)_block(\d+)/(\w+)", path)
    assert match is not None, path
    return int(match[1]), int(match[2]), match[3]


_IMAGENET_REASON = "the statistics of ImageNet, which torchvision's networks are trained with"
_NONE_REASON = "pixels in [0, 1] as they are"
_RESNETS = (
    Layout(
        "torchvision", partial(_resnet, shortcut="downsample", head="fc"), IMAGENET,
        _IMAGENET_REASON,
    ),
    Layout(
        "pytorch-cifar", partial(_resnet, shortcut="shortcut", head="linear"), NONE, _NONE_REASON
    ),
    Layout("simclr-v2", _simclr_v2, NONE, f"{_NONE_REASON}, as SimCLR takes them"),
)  # fmt: skip
_WIDE_RESNETS = (
    Layout("trades", _wide_resnet, NONE, _NONE_REASON, r"sub_block1\..*"),
    Layout(
        "deepmind",
        partial(
            _deepmind, stem="init_conv", block="layer.{}.block.{}", convs=("conv_0", "conv_1")
        ),
        NONE, _NONE_REASON, variant="deepmind",
    ),
)  # fmt: skip
_PREACT_RESNETS = (
    Layout("pytorch-cifar", _preact_resnet, NONE, _NONE_REASON),
    Layout(
        "deepmind",
        partial(
            _deepmind, stem="conv_2d", block="layer_{}.{}", convs=("conv_2d_1", "conv_2d_2")
        ),
        NONE, _NONE_REASON, variant="deepmind",
    ),
)  # fmt: skip
_EFFICIENTNETS = (
    Layout(
        "efficientnet-pytorch", _efficientnet_pytorch, ((127 / 255,) * 3, (128 / 255,) * 3),
        "(x - 127) / 128 of pixels in [0, 255], as TensorFlow's EfficientNet-Lite",
    ),
    Layout("timm", _timm_efficientnet, ((0.5,) * 3, (0.5,) * 3), "timm's tf_efficientnet_lite0"),
)  # fmt: skip
ONNX = Layout("onnx", lambda path: path, IMAGENET, "the statistics of ImageNet")
