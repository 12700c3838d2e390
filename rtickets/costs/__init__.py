"""What a configuration would do: shapes, steps, operations, memory and time, without doing it."""

from rtickets.costs.plan import Setting, estimate, needs_logits
from rtickets.costs.runs import Estimate
from rtickets.costs.text import as_text

__all__ = ["Estimate", "Setting", "as_text", "estimate", "needs_logits"]
