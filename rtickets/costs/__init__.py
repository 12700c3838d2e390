"""What a configuration would do: shapes, steps, operations, memory and time, without doing it."""

from rtickets.costs.runs import Estimate
from rtickets.costs.setting import Setting
from rtickets.costs.text import as_text

__all__ = ["Estimate", "Setting", "as_text"]
