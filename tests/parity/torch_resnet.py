"""Our basic-block residual network in PyTorch, with our weights; for side-by-side measurements."""

from typing import Any

import numpy as np
import torch
from torch import nn


def _tensor(array: Any) -> nn.Parameter:
    array = np.array(array)
    if array.ndim == 4:  # HWIO to OIHW
        array = array.transpose(3, 2, 0, 1)
    elif array.ndim == 2:  # (I, O) to (O, I)
        array = array.T
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(array)), requires_grad=False)


def _conv(params: Any, stride: int = 1) -> nn.Conv2d:
    size, _, inputs, outputs = params["kernel"].shape
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    conv.weight = _tensor(params["kernel"])
    return conv


def _norm(params: Any, stats: Any) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(len(params["scale"]))
    norm.weight, norm.bias = _tensor(params["scale"]), _tensor(params["bias"])
    norm.running_mean = _tensor(stats["mean"]).data
    norm.running_var = _tensor(stats["var"]).data
    return norm


class _Block(nn.Module):
    def __init__(self, params: Any, stats: Any, stride: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(params["conv1"], stride), _conv(params["conv2"])
        self.norm1 = _norm(params["norm1"], stats["norm1"])
        self.norm2 = _norm(params["norm2"], stats["norm2"])
        self.shortcut: nn.Module = nn.Identity()
        if "shortcut_conv" in params:
            norm = _norm(params["shortcut_norm"], stats["shortcut_norm"])
            self.shortcut = nn.Sequential(_conv(params["shortcut_conv"], stride), norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class TorchResNet(nn.Module):
    """The small-stem ResNet-18 or 34 of `rtickets.models`, NCHW images in [0, 1] to logits."""

    def __init__(self, params: Any, stats: Any, mean: Any, std: Any) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))
        names = sorted(name for name in params if name.startswith("stage"))
        blocks = [
            _Block(params[name], stats[name], 2 if name[5] > "1" and name.endswith("block1") else 1)
            for name in names
        ]
        stem = _norm(params["stem_norm"], stats["stem_norm"])
        self.body = nn.Sequential(_conv(params["stem_conv"]), stem, nn.ReLU(), *blocks)
        self.head = nn.Linear(*params["head"]["kernel"].shape)
        self.head.weight = _tensor(params["head"]["kernel"])
        self.head.bias = _tensor(params["head"]["bias"])
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, classes)."""
        return self.head(self.body((x - self.mean) / self.std).mean((2, 3)))
