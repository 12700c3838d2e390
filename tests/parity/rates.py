"""One evaluation of a network in PyTorch and in JAX on a CPU.

    pip install -e '.[parity]'
    python tests/parity/rates.py --width=0.125
    python tests/parity/rates.py --width=1 --batches 32

Each library runs in a process of its own, ours on two simulated devices. Prints milliseconds of a
small-stem ResNet-18 with random weights on 28x28 images, medians of 20, and what
both cores reach in a product of large matrices. PyTorch's memory comes from the allocator of the C
library; MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=10000000000 keep what is freed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from torch_resnet import TorchResNet

from rtickets import evaluation, models
from rtickets.attacks.search import join_model, split_model
from rtickets.evaluation.subject import logits_fn
from rtickets.platform import parallel


def median(call):
    call()
    times = []
    for _ in range(20):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1000 * np.median(times)


def theirs(variables, x):
    model = (
        TorchResNet(variables["params"], variables["batch_stats"], (0.0,), (1.0,)).float().eval()
    )
    x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))

    def forward():
        with torch.no_grad():
            model(x)

    def gradient():
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(model(leaf).logsumexp(1).sum(), leaf)

    return median(forward), median(gradient)


def ours(model, variables, x):
    devices = parallel.local_devices()
    network = evaluation.Network(model, variables["params"], variables["batch_stats"])
    function, arguments = split_model(logits_fn(network, devices))

    def logits(arguments, x):
        return join_model(function, arguments)(x)

    def slope(arguments, x):
        return jax.grad(lambda x: jax.nn.logsumexp(logits(arguments, x), -1).sum())(x)

    shards = parallel.shard(x, devices)
    found = []
    for call in (logits, slope):
        run = parallel.parallel(call, in_axes=(None, 0), out_axes=0, devices=devices)
        found.append(median(lambda run=run: jax.block_until_ready(run(arguments, shards))))
    return found


def matrix_product():
    """Return GFLOP/s of both cores."""
    x = jnp.ones((4096, 4096))
    product = jax.jit(jnp.matmul)
    return 2 * 4096**3 / median(lambda: product(x, x).block_until_ready()) / 1e6


def measure(options):
    model = models.build("resnet18", 10, width=options.width, stem="small")
    for batch in options.batches:
        x = np.random.default_rng(0).random((batch, 28, 28, 1), np.float32)
        variables = jax.tree.map(np.asarray, jax.jit(model.init)(jax.random.key(0), x[:1]))
        found = theirs(variables, x) if options.of == "torch" else ours(model, variables, x)
        print(f"| {options.of} | {batch} | {found[0]:.1f} | {found[1]:.1f} |", flush=True)
    if options.of == "ours":
        print(f"a matrix product: {matrix_product():.0f} GFLOP/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 128, 256])
    parser.add_argument("--of", choices=["torch", "ours"])
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 2)
    torch.set_flush_denormal(True)
    if options.of:
        measure(options)
        return
    print("| library | batch | forward (ms) | with input gradient (ms) |")
    print("| --- | --- | --- | --- |", flush=True)
    for library in ("torch", "ours"):
        subprocess.run([sys.executable, *sys.argv, "--of", library], check=True)


if __name__ == "__main__":
    main()
