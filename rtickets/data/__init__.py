"""Data sets: loaded, split and described."""

from rtickets.data.arrays import Dataset, Raw, Split, labelled
from rtickets.data.images.streamed import StreamedImages
from rtickets.data.loading import load
from rtickets.data.sources.registry import SOURCES, get_source, source_of
from rtickets.data.sources.source import Source
from rtickets.data.sources.vtab import TASKS as VTAB_TASKS
from rtickets.data.splits import epoch_order, few_shot, hold_out

__all__ = [
    "SOURCES",
    "VTAB_TASKS",
    "Dataset",
    "Raw",
    "Source",
    "Split",
    "StreamedImages",
    "epoch_order",
    "few_shot",
    "get_source",
    "hold_out",
    "labelled",
    "load",
    "source_of",
]
