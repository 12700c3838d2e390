"""Write torch_masks.npz: masks that PyTorch's own pruning gives for a small network.

    pip install torch && python tests/golden/make_torch_masks.py

Weights are stored in our layout (HWIO). `row`, `kernel` and `channel` are group sums of absolute
values in PyTorch arithmetic, the largest quarter of the groups kept in every layer.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

REDUCED = {"row": (3,), "kernel": (2, 3), "channel": (1, 2, 3)}  # axes of an OIHW kernel


def layers():
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 4, 3, 3), (16, 8, 3, 3), (8, 16, 1, 1)]
    made = [nn.Conv2d(i, o, (h, w), bias=False) for o, i, h, w in shapes]
    for layer, shape in zip(made, shapes, strict=True):
        layer.weight.data = torch.randn(shape, generator=generator)
    return made


def ours(kernel: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(kernel.detach().permute(2, 3, 1, 0).numpy())


def grouped(weight: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    sums = weight.abs().sum(axes, keepdim=True)
    order = sums.flatten().argsort(descending=True)[: sums.numel() - round(0.75 * sums.numel())]
    keep = torch.zeros(sums.numel(), dtype=torch.bool)
    keep[order] = True
    return keep.reshape(sums.shape).expand_as(weight)


def main() -> None:
    arrays = {f"weight{i}": ours(layer.weight) for i, layer in enumerate(layers())}
    for amount in (0.5, 0.9):
        pruned = layers()
        parameters = [(layer, "weight") for layer in pruned]
        prune.global_unstructured(parameters, prune.L1Unstructured, amount=amount)
        for i, layer in enumerate(pruned):
            arrays[f"global{amount}_{i}"] = ours(layer.weight_mask).astype(bool)
    for i, layer in enumerate(layers()):
        prune.ln_structured(layer, "weight", amount=0.75, n=2, dim=0)
        arrays[f"ln_structured_{i}"] = ours(layer.weight_mask).astype(bool)
    for pattern, axes in REDUCED.items():
        for i, layer in enumerate(layers()):
            arrays[f"{pattern}_{i}"] = ours(grouped(layer.weight, axes)).astype(bool)
    np.savez_compressed(Path(__file__).parent / "torch_masks.npz", **arrays)


if __name__ == "__main__":
    main()
