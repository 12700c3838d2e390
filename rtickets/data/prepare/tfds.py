"""Preparing sets of TensorFlow Datasets as array_record files. Most of them need TensorFlow."""

from pathlib import Path
from typing import Any

from rtickets.data.archives import Say
from rtickets.errors import InputError
from rtickets.platform.terminal import show


def prepare_tfds(name: str, root: Path, manual: Path | None = None, say: Say = show) -> Any:
    """Download a set and write it as array_record files, unless that is done; return its builder.

    Args:
        name: as TensorFlow Datasets calls it.
        root: folder of its data sets.
        manual: folder of files that have to be got by hand.
        say: is told what happens.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise InputError(f"tfds:{name} needs pip install 'rtickets[tfds]'") from None
    try:
        builder = tfds.builder(name, data_dir=str(root), file_format="array_record", try_gcs=False)
        settings = tfds.download.DownloadConfig(
            manual_dir=None if manual is None else str(manual), try_download_gcs=False
        )
        builder.download_and_prepare(download_config=settings)
    except ModuleNotFoundError as error:
        raise InputError(
            f"tfds:{name} cannot be prepared without {error.name}; pip install 'rtickets[prepare]'"
        ) from None
    except Exception as error:  # no network, no manual files, a checksum that differs
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"tfds:{name} cannot be prepared in {root}: {reason}") from None
    for split, info in builder.info.splits.items():
        say(f"tfds:{name}, {split}: {info.num_examples:,} examples in {builder.data_path}")
    return builder
