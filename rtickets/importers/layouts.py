"""How other projects name the layers of our networks.

A layout turns the path of a layer of ours, such as stage2_block1/conv1, into the name of the layer
there. A layer has the leaves of PyTorch: `weight` and `bias`, and for normalisation `running_mean`
and `running_var`.
"""

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple, get_args

from rtickets.config.fields import Arch
from rtickets.models import EfficientNetLite, Model, ResNet, WideResNet, build
from rtickets.models.efficientnet_lite import LITE0
from rtickets.models.resnet import Bottleneck

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NONE = ((0.0,), (1.0,))


class Layout(NamedTuple):
    """A naming of layers.

    Attributes:
        name: of the layout, for reports.
        layer: from the path of a layer of ours to the name of theirs.
        statistics: mean and standard deviation of pixels to assume where a file states none.
        reason: what they are.
        unused: regular expression of tensors that it stores but no forward pass reads.
    """

    name: str
    layer: Callable[[str], str]
    statistics: tuple[tuple[float, ...], tuple[float, ...]]
    reason: str
    unused: str = r"(?!)"


def layouts_of(model: Model) -> tuple[Layout, ...]:
    """Return the layouts in which a network of ours is found elsewhere."""
    if isinstance(model, ResNet):
        return _RESNETS
    return _WIDE_RESNETS if isinstance(model, WideResNet) else _EFFICIENTNETS


def likely(names: Collection[str]) -> list[str]:
    """Return the architectures that have exactly the blocks that names of tensors tell of."""
    found = []
    for arch in get_args(Arch):
        model = build(arch, 1)
        for layout in layouts_of(model):
            if _has_blocks(model, layout, names):
                found.append(arch)
    return found


def _has_blocks(model: Model, layout: Layout, names: Collection[str]) -> bool:
    def there(path: str) -> bool:
        return f"{layout.layer(path)}.weight" in names

    if isinstance(model, EfficientNetLite):
        return there("stem_conv") and there("stage7_block1/project_conv")
    sizes = model.stage_sizes if isinstance(model, ResNet) else (model.blocks,) * 3
    deep = isinstance(model, ResNet) and issubclass(model.block, Bottleneck)
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


def _wide_resnet(path: str) -> str:
    fixed = {"stem_conv": "conv1", "final_norm": "bn1", "head": "fc"}
    if path in fixed:
        return fixed[path]
    stage, block, layer = _place(path)
    layer = "convShortcut" if layer == "shortcut_conv" else layer.replace("norm", "bn")
    return f"block{stage}.layer.{block - 1}.{layer}"


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
)  # fmt: skip
_WIDE_RESNETS = (Layout("trades", _wide_resnet, NONE, _NONE_REASON, r"sub_block1\..*"),)
_EFFICIENTNETS = (
    Layout(
        "efficientnet-pytorch", _efficientnet_pytorch, ((127 / 255,) * 3, (128 / 255,) * 3),
        "(x - 127) / 128 of pixels in [0, 255], as TensorFlow's EfficientNet-Lite",
    ),
    Layout("timm", _timm_efficientnet, ((0.5,) * 3, (0.5,) * 3), "timm's tf_efficientnet_lite0"),
)  # fmt: skip
ONNX = Layout("onnx", lambda path: path, IMAGENET, "the statistics of ImageNet")
