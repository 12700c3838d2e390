"""The common corruptions of Hendrycks and Dietterich (2019), on the device."""

from rtickets.data.images.corruptions.corruption import SEVERITIES, TABLES, Corruption, Table
from rtickets.data.images.corruptions.registry import CORRUPTIONS, corrupt, read_files

__all__ = ["CORRUPTIONS", "SEVERITIES", "TABLES", "Corruption", "Table", "corrupt", "read_files"]
