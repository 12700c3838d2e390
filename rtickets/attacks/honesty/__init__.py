"""Whether a robust accuracy can be trusted: signs that gradients mislead the attack."""

from rtickets.attacks.honesty.results import check_results
from rtickets.attacks.honesty.verdict import check_model

__all__ = [
    "check_model",
    "check_results",
]
