"""Texts that were read before: a study asks for the same few sets of them in every cell.

To make numbers of texts takes seconds, and a brief training on them no more.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from rtickets.data.arrays import Dataset
from rtickets.data.fingerprint import fingerprint
from rtickets.data.settings import DataConfig

_MOST = 1 << 26  # bytes of the files of a set that is kept
Load = Callable[[DataConfig, int], Dataset]


def kept(load: Load, config: DataConfig, seed: int) -> Dataset:
    """Return what `load` returns, the last few results of it as they are while files stay as well.

    Their arrays cannot be written to. Sets whose files are large are loaded anew.
    """
    if config.path is not None and _size(Path(config.path)) > _MOST:
        return load(config, seed)
    return _kept(load, config, seed, fingerprint(config))


@lru_cache(maxsize=8)
def _kept(load: Load, config: DataConfig, seed: int, files: str | None) -> Dataset:
    """Load a set; `files` makes the cache see a change of them."""
    del files
    dataset = load(config, seed)
    for split in (dataset.train, dataset.validation, dataset.test):
        for each in split.arrays.values():
            if isinstance(each, np.ndarray):
                each.flags.writeable = False
    return dataset


def _size(root: Path) -> int:
    """Return how many bytes a file, or what lies in a folder, has; 0 where nothing is there."""
    paths = root.rglob("*") if root.is_dir() else (root,)
    return sum(path.stat().st_size for path in paths if path.is_file())
