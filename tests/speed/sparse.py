"""A sparse layer on a CPU: what skips its zeros, beside the dense product, by turns.

    taskset -c 0 python tests/speed/sparse.py --batch-sizes=1,64

A dense layer of 1024 inputs and outputs, and a 3x3 convolution of 128 channels on one image of
16x16 pixels. Its zeros are skipped by gathering what every output reads (all patterns), by
products of the blocks that live, by JAX's BCOO, by PyTorch's CSR, or not at all (XLA, PyTorch,
ONNX Runtime); convolutions are products with patches then, which count. A channel ticket is
compacted: its product is dense and smaller. PyTorch and ONNX Runtime are left out where they are
not installed. Milliseconds are the processor's, which other work on the machine changes less than
those of the clock.
"""

import argparse
import importlib.util
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import draw_omp
from rtickets.costs.latency import by_turns

TICKETS = [
    ("element", 0.5), ("element", 0.9), ("element", 0.99), ("block:16x16", 0.9), ("2:4", 0.5),
    ("channel", 0.9),
]  # fmt: skip
BLOCK = 16
LAYERS = {"dense 1024 to 1024": (None, 1024, 1024), "3x3, 128 channels, 16x16": (16, 128, 128)}


def patches(x):
    """Return the 3x3 neighbourhoods of images as rows."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    size = x.shape[1]
    parts = [padded[:, i : i + size, j : j + size] for i in range(3) for j in range(3)]
    return jnp.concatenate(parts, -1).reshape(-1, 9 * x.shape[-1])


def rows(x):
    return x if x.ndim == 2 else patches(x)


def dense(weights, x):
    if x.ndim == 2:
        return x @ weights
    kernel = weights.reshape(3, 3, x.shape[-1], -1)
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


def gathered(own, x):
    """Return sums over what every output reads, filled up to the most that any does."""
    places, values = own
    return jnp.einsum("bom,om->bo", rows(x)[:, places], values)


def gathering(weights):
    most = int((weights != 0).sum(0).max())
    places = np.argsort(weights == 0, axis=0, kind="stable")[:most].T
    return jnp.asarray(places), jnp.asarray(np.take_along_axis(weights.T, places, 1))


def blocks(own, x, outputs):
    inputs, targets, values = own
    pieces = rows(x).reshape(-1, x.shape[-1] * (1 if x.ndim == 2 else 9) // BLOCK, BLOCK)
    found = jnp.einsum("bni,nio->nbo", pieces[:, inputs], values)
    return jax.ops.segment_sum(found, targets, outputs // BLOCK).swapaxes(0, 1).reshape(-1, outputs)


def blocking(weights):
    tiles = weights.reshape(-1, BLOCK, weights.shape[1] // BLOCK, BLOCK).swapaxes(1, 2)
    inputs, targets = np.nonzero(tiles.any((2, 3)))
    return tuple(map(jnp.asarray, (inputs, targets, tiles[inputs, targets])))


def of_jax(weights, x, pattern):
    """Return calls by name."""
    from jax.experimental import sparse

    kept = weights[:, weights.any(0)] if pattern == "channel" else weights
    ways = {"XLA dense": (dense, jnp.asarray(weights)), "gathered": (gathered, gathering(weights))}
    if pattern == "channel":
        ways = {"XLA dense": ways["XLA dense"], "compacted": (dense, jnp.asarray(kept))}
    elif pattern.startswith("block"):
        ways["blocks"] = (partial(blocks, outputs=weights.shape[1]), blocking(weights))
    if pattern == "element":
        ways["BCOO"] = (lambda own, x: rows(x) @ own, sparse.BCOO.fromdense(jnp.asarray(weights)))
    return {name: partial(jax.jit(function), own, x) for name, (function, own) in ways.items()}


def of_torch(weights, x):
    import torch

    torch.set_num_threads(len(jax.devices()))
    given, matrix = torch.tensor(np.asarray(x)), torch.tensor(weights.T.copy())
    csr = matrix.to_sparse_csr()
    if x.ndim == 2:
        return {"PyTorch dense": lambda: given @ matrix.T, "PyTorch CSR": lambda: csr @ given.T}
    kernel = torch.tensor(weights.reshape(3, 3, x.shape[-1], -1).transpose(3, 2, 0, 1).copy())
    channels_last = given.permute(0, 3, 1, 2)  # of images (N, H, W, C) in memory
    flat = kernel.reshape(len(kernel), -1).to_sparse_csr()

    def unfolded():
        found = torch.nn.functional.unfold(channels_last, 3, padding=1)
        return flat @ found.transpose(0, 1).reshape(flat.shape[1], -1)

    convolve = partial(torch.nn.functional.conv2d, channels_last, kernel, padding=1)
    return {"PyTorch dense": convolve, "PyTorch CSR": unfolded}


def of_onnx(weights, x):
    import onnxruntime

    from rtickets.exporters.onnx_graph import make_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(jax.devices())
    model = make_onnx(partial(dense, weights), x.shape[1:])
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    given = {"image": np.asarray(x)}
    return {"ONNX Runtime dense": lambda: session.run(None, given)}


def calls_for(weights, x, pattern):
    calls = of_jax(weights, x, pattern)
    if importlib.util.find_spec("torch") and pattern != "channel":
        calls |= of_torch(weights, x)
    if importlib.util.find_spec("onnxruntime") and pattern == "element":
        calls |= of_onnx(weights, x)
    expected = np.sort(np.ravel(calls["XLA dense"]()))
    for name, call in calls.items():  # whatever the order of axes
        if name != "compacted":
            found = np.sort(np.ravel(np.asarray(call())))
            np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=name)
    return calls


def layer(kind, pattern, sparsity):
    """Return the masked weights (inputs, outputs) of a layer."""
    pixels, inputs, outputs = LAYERS[kind]
    shape = (inputs, outputs) if pixels is None else (3, 3, inputs, outputs)
    kernel = np.random.default_rng(0).standard_normal(shape, np.float32)
    mask = draw_omp({"layer": {"kernel": kernel}}, sparsity, pattern)["layer"]["kernel"]
    return (kernel * mask).reshape(-1, outputs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-sizes", default="1,64")
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    for kind, (pixels, inputs, _) in LAYERS.items():
        # unfolded patches are a batch of 256 rows, and gathering takes 0.3 GB for them
        for size in map(int, options.batch_sizes.split(",")) if pixels is None else [1]:
            shape = (size, inputs) if pixels is None else (size, pixels, pixels, inputs)
            x = jnp.asarray(np.random.default_rng(1).standard_normal(shape, np.float32))
            for pattern, sparsity in TICKETS:
                calls = calls_for(layer(kind, pattern, sparsity), x, pattern)
                seconds = by_turns(calls, options.turns, time.process_time)
                words = ", ".join(f"{name} {1e3 * value:.3g}" for name, value in seconds.items())
                print(f"{kind}, batch {size}, {pattern} at {sparsity:.0%}: {words} ms", flush=True)


if __name__ == "__main__":
    main()
