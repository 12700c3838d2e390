"""What a configuration would do: shapes, steps, operations, memory and time, without doing it."""

from rtickets.dry_run.plan import Setting, estimate, needs_logits
from rtickets.dry_run.runs import Estimate
from rtickets.dry_run.text import as_text

__all__ = ["Estimate", "Setting", "as_text", "estimate", "needs_logits"]
