"""Time to draw a ticket from 24.8 million weights, beside PyTorch's global unstructured pruning.

pip install -e '.[demo,parity]'
python tests/speed/draw.py
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.utils import prune

from rtickets import draw_omp

SHAPES = [(3, 3, 512, 512)] * 9 + [(3, 3, 256, 256)] * 6
SPARSITY = 0.9


def theirs(kernels: list[np.ndarray]) -> None:
    """Prune all kernels together."""
    layers = []
    for kernel in kernels:
        layer = torch.nn.Conv2d(1, 1, 1, bias=False)
        layer.weight = torch.nn.Parameter(torch.from_numpy(kernel.copy()))
        layers.append((layer, "weight"))
    prune.global_unstructured(layers, prune.L1Unstructured, amount=SPARSITY)


def main() -> None:
    generator = np.random.default_rng(0)
    kernels = [generator.standard_normal(shape, dtype=np.float32) for shape in SHAPES]
    params = {f"layer{index}": {"kernel": kernel} for index, kernel in enumerate(kernels)}
    runs: dict[str, Callable[[], object]] = {
        "torch.nn.utils.prune.global_unstructured": lambda: theirs(kernels),
        "draw_omp, global": lambda: draw_omp(params, SPARSITY),
        "draw_omp, uniform": lambda: draw_omp(params, SPARSITY, scope="uniform"),
        "draw_omp, global, kernel": lambda: draw_omp(params, SPARSITY, "kernel"),
        "draw_omp, global, 2:4": lambda: draw_omp(params, 0.5, "2:4"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(5):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    reference = statistics.median(seconds["torch.nn.utils.prune.global_unstructured"])
    print(f"| {sum(k.size for k in kernels):,} weights | seconds, median of 5 [range] | speed |")
    print("| --- | --- | --- |")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(
            f"| {name} | {median:.2f} [{min(values):.2f}, {max(values):.2f}] | "
            f"{reference / median:.1f}x |"
        )


if __name__ == "__main__":
    main()
