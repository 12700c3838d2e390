"""Weights of other projects as tickets; nothing in a file is executed."""

from rtickets.importers.describe import describe
from rtickets.importers.importer import Imported, import_checkpoint, save
from rtickets.importers.options import Options
from rtickets.importers.parity import Reference, read_reference

__all__ = [
    "Imported",
    "Options",
    "Reference",
    "describe",
    "import_checkpoint",
    "read_reference",
    "save",
]
