"""Weights of other projects as tickets; nothing in a file is executed."""

from rtickets.importers.importer import Imported, Options, import_checkpoint, save
from rtickets.importers.parity import Reference, read_reference

__all__ = ["Imported", "Options", "Reference", "import_checkpoint", "read_reference", "save"]
