"""Make the bundled `fashion_mini` from the four IDX files of Fashion-MNIST.

    python -m rtickets.data.sources.make_fashion_mini IDX_FOLDER OUTPUT.npz.xz

The first 1,200 training and 200 test images of every class, in their original order. The output is
the same to the byte on every run.
"""

import io
import lzma
import sys
from pathlib import Path

import numpy as np

from rtickets.data.arrays import Split
from rtickets.data.sources.array_files import read_idx_folder
from rtickets.data.sources.registry import FASHION_CLASSES


def first_per_class(split: Split, count: int) -> Split:
    """Return the first `count` examples of every class, in their original order."""
    members = [np.flatnonzero(split.labels == label)[:count] for label in range(10)]
    return split.take(np.sort(np.concatenate(members)))


def main(folder: str, output: str) -> None:
    """Write the file from the folder of the four IDX files."""
    raw = read_idx_folder(Path(folder), FASHION_CLASSES)
    assert raw.test is not None  # an IDX folder always has both splits
    train, test = first_per_class(raw.train, 1200), first_per_class(raw.test, 200)
    buffer = io.BytesIO()
    np.savez(
        buffer,
        x_train=train.images[..., 0],
        y_train=train.labels.astype(np.uint8),
        x_test=test.images[..., 0],
        y_test=test.labels.astype(np.uint8),
    )
    Path(output).write_bytes(lzma.compress(buffer.getvalue(), preset=9))


if __name__ == "__main__":
    main(*sys.argv[1:])
