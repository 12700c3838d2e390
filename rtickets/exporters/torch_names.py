"""A ticket as a state dict of PyTorch, in the names of other packages.

Masks are buffers as those of `torch.nn.utils.prune`: `conv1.weight_orig` and `conv1.weight_mask` in
the place of `conv1.weight`.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from rtickets import masks, models
from rtickets.errors import InputError
from rtickets.importers import account, layouts
from rtickets.importers.layouts import Layout
from rtickets.models.resnet import Bottleneck
from rtickets.tickets.ticket import Ticket

Names = Literal["torchvision", "timm", "huggingface"]
_THEIRS: Mapping[str, tuple[type, ...]] = {
    "torchvision": (models.ResNet,),
    "timm": (models.ResNet, models.EfficientNetLite),
    "huggingface": (models.ResNet,),
}


def layout_for(model: models.Model, names: str) -> Layout:
    """Return how a package names the layers of a network.

    Raises:
        InputError: if it has no such network, or one that computes something else.
    """
    kinds = _THEIRS[names]
    if not isinstance(model, kinds):
        others = ", ".join(kind.__name__ for kind in kinds)
        raise InputError(
            f"format={names!r} has no {type(model).__name__}, it has {others}; choose stablehlo or "
            "onnx, which take any network"
        )
    if model.make_head is not models.LinearHead:
        raise InputError(
            f"format={names!r} has one linear layer as its head, not that of "
            f"{model.make_head!r:.80}; choose stablehlo or onnx"
        )
    if isinstance(model, models.ResNet):
        why = _why_not(model, names)
        if why:
            raise InputError(f"format={names!r} has no ResNet with {why}; choose stablehlo or onnx")
        torchvision = layouts.layouts_of(model)[0]
        if names != "huggingface":
            return torchvision._replace(name=names)
        return torchvision._replace(name=names, layer=_huggingface)
    if getattr(model, "stem", None) == "small":
        raise InputError(
            f"format={names!r} has no {type(model).__name__} with stem='small', which differs in a "
            "stride alone, so that its weights would load and answer wrongly; choose stablehlo or "
            "onnx"
        )
    return next(each for each in layouts.layouts_of(model) if each.name == "timm")


def _why_not(model: models.ResNet, names: str) -> str | None:
    if model.activation != "relu":
        return f"activation={model.activation!r}"
    if model.pool_padding == "end" or model.stem_features not in (None, model.width):
        return "a stem of its own"
    if getattr(model.block, "strided", "conv2") == "conv1" and names != "huggingface":
        return "strides in its first 1x1 convolutions"
    return None


def config_for(model: models.ResNet) -> dict[str, Any]:
    """Return the arguments of `transformers.ResNetConfig` that make a network, but for its head."""
    deep = issubclass(model.block, Bottleneck)
    widths = [model.block.expansion * model.width * 2**n for n in range(len(model.stage_sizes))]
    return {
        "layer_type": "bottleneck" if deep else "basic", "depths": list(model.stage_sizes),
        "hidden_sizes": widths, "embedding_size": model.width, "hidden_act": "relu",
        "downsample_in_bottleneck": getattr(model.block, "strided", "conv2") == "conv1",
    }  # fmt: skip


def _huggingface(path: str) -> str:
    fixed = {
        "stem_conv": "resnet.embedder.embedder.convolution",
        "stem_norm": "resnet.embedder.embedder.normalization",
        "head": "classifier.1",
    }
    if path in fixed:
        return fixed[path]
    match = re.fullmatch(r"stage(\d+)_block(\d+)/(shortcut_|)(conv|norm)(\d*)", path)
    assert match is not None, path
    kind = {"conv": "convolution", "norm": "normalization"}[match[4]]
    layer = "shortcut" if match[3] else f"layer.{int(match[5]) - 1}"
    return f"resnet.encoder.stages.{int(match[1]) - 1}.layers.{int(match[2]) - 1}.{layer}.{kind}"


def state_dict(ticket: Ticket, layout: Layout, *, with_masks: bool = True) -> dict[str, np.ndarray]:
    """Return the tensors of a ticket by their names, in PyTorch's order of axes.

    Args:
        with_masks: keep masks beside weights; without, pruned weights are zeros.
    """
    params = masks.apply(ticket.mask, ticket.params)
    leaves = masks.leaf_paths({"params": params, "batch_stats": ticket.batch_stats})
    keep = masks.prunable_leaves(ticket.mask) if with_masks else {}
    names = account.source_names(leaves, layout)
    found = {}
    for path, leaf in leaves.items():
        name, alive = names[path], keep.get(path.removeprefix("params/"))
        tensor = _their_axes(np.asarray(leaf, np.float32))
        if alive is None or alive.all():
            found[name] = tensor
        else:
            found[f"{name}_orig"] = tensor
            found[f"{name}_mask"] = _their_axes(alive).astype(np.float32)
        if name.endswith("running_mean"):
            counter = name.removesuffix("running_mean") + "num_batches_tracked"
            found[counter] = np.zeros((), np.int64)
    return found


def from_state_dict(
    model: models.Model, tensors: Mapping[str, Any], layout: Layout, channels: int
) -> tuple[Any, Any]:
    """Return the (parameters, statistics) that a state dict of `state_dict` holds."""
    whole = {}
    for name, tensor in tensors.items():
        if name.endswith("_mask"):
            name = name.removesuffix("_mask")
            whole[name] = np.asarray(tensors[f"{name}_orig"]) * np.asarray(tensor)
        elif not name.endswith("_orig"):
            whole[name] = np.asarray(tensor)
    fitted = account.fit(model, channels, whole, layout)
    return fitted.params, fitted.batch_stats


def _their_axes(array: np.ndarray) -> np.ndarray:
    """Return an array in PyTorch's order of axes."""
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    return np.ascontiguousarray(array.T if array.ndim == 2 else array)
