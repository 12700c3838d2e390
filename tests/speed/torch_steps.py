"""The steps of `beside_torch.py` in PyTorch, as one would write them by hand."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


class Block(nn.Module):
    """A residual block: basic, or a bottleneck of four times as many outputs."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = width * (4 if bottleneck else 1)
        shapes = [(inputs, width, 3, stride), (width, width, 3, 1)]
        if bottleneck:
            shapes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        self.body = nn.Sequential()
        for index, shape in enumerate(shapes):
            self.body.append(unit(*shape))
            if index < len(shapes) - 1:
                self.body.append(nn.ReLU())
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else unit(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def unit(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    """Return a convolution with normalisation."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def network(arch: str, width: int, channels: int, classes: int, large: bool) -> nn.Module:
    """Return a residual network of `width` channels in its first stage."""
    stem = unit(channels, width, 7 if large else 3, 2 if large else 1)
    layers: list[nn.Module] = [stem, nn.ReLU()]
    if large:
        layers.append(nn.MaxPool2d(3, 2, 1))
    inputs, bottleneck = width, arch == "resnet50"
    for stage, depth in enumerate(STAGES[arch]):
        for index in range(depth):
            stride = 2 if stage and not index else 1
            layers.append(Block(inputs, width * 2**stage, stride, bottleneck))
            inputs = width * 2**stage * (4 if bottleneck else 1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
    return nn.Sequential(*layers, *head)


def make(what: str, variant: str, options: Any, lengths: dict[str, float]) -> Callable[[], Any]:
    """Return a function that takes one step and waits for it.

    Args:
        what: 'natural' or 'pgd' training, or 'evaluate', a gradient to the images.
        variant: 'eager' or 'compiled', with '-last' where channels are the innermost axis.
        lengths: eps, step_size, rate, decay and momentum.
    """
    where = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    torch.set_flush_denormal(True)
    layout = torch.channels_last if variant.endswith("-last") else torch.contiguous_format
    width = max(round(64 * options.width), 1)
    model = network(options.arch, width, options.channels, 10, options.size > 96)
    model = model.to(where).to(memory_format=layout)
    called = torch.compile(model) if variant.startswith("compiled") else model
    shape = (options.batch, options.channels, options.size, options.size)
    x = torch.rand(shape, device=where).to(memory_format=layout)
    y = torch.arange(options.batch, device=where) % 10
    low = options.precision == "bfloat16"

    def loss(images: Tensor) -> Tensor:
        with torch.autocast(where, torch.bfloat16, enabled=low):
            return F.cross_entropy(called(images), y)

    def slope(images: Tensor) -> Tensor:
        leaf = images.detach().requires_grad_(True)
        return torch.autograd.grad(loss(leaf), leaf)[0]

    optimizer = torch.optim.SGD(
        model.parameters(), lengths["rate"], lengths["momentum"], weight_decay=lengths["decay"]
    )

    def wait() -> None:
        if where == "cuda":
            torch.cuda.synchronize()

    def evaluate() -> None:
        model.eval().requires_grad_(False)
        slope(x)
        wait()

    def train() -> None:
        images = attacked() if what == "pgd" else x
        model.train().requires_grad_(True)
        optimizer.zero_grad(set_to_none=True)
        loss(images).backward()
        optimizer.step()
        wait()

    def attacked() -> Tensor:
        model.eval().requires_grad_(False)
        eps = lengths["eps"]
        moved = (x + torch.empty_like(x).uniform_(-eps, eps)).clamp(0, 1)
        for _ in range(options.steps):
            delta = moved + lengths["step_size"] * slope(moved).sign() - x
            moved = (x + delta.clamp(-eps, eps)).clamp(0, 1)
        return moved.detach()

    return evaluate if what == "evaluate" else train


def peak_bytes() -> int:
    """Return the most memory of the accelerator that was in use, 0 on a CPU."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
