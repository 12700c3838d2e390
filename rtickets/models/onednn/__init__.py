"""Convolutions by oneDNN on a CPU, where it is asked for and can be built."""

from rtickets.models.onednn.build import is_on
from rtickets.models.onednn.convolution import convolve

__all__ = ["convolve", "is_on"]
