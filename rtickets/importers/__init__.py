"""Weights of other projects as tickets; nothing in a file is executed.

What is wrong with a file is an `InputError` that goes on after the file's name, which
`import_checkpoint` puts before it.
"""

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
