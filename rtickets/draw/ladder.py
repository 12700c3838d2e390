"""The sparsities that iterative pruning goes through."""

import math
from typing import Literal

from rtickets.errors import InputError

Of = Literal["survivors", "original"]
_DIGITS = (
    12  # rounded, so that a state's sparsity is the number one would write: 0.36, not 0.3599..
)


def imp_ladder(states: int = 19, rate: float = 0.2, of: Of = "survivors") -> tuple[float, ...]:
    """Return the sparsity after every state of iterative pruning.

    Args:
        states: number of states.
        rate: fraction removed in each.
        of: whether it counts from the 'survivors' of the state before or from the 'original'.

    Returns:
        Rising removed fractions, to 12 decimals; by default 0.2, 0.36, ... 1 - 0.8^19 (Frankle &
        Carbin 2019).

    Raises:
        InputError: if nothing would survive, or the rate is not in (0, 1).
    """
    if not 0 < rate < 1 or states < 0:
        raise InputError(f"rate={rate} must be in (0, 1), and states={states} at least 0")
    if of == "original":
        if states * rate >= 1:
            raise InputError(f"{states} states of {rate} of the original weights leave none")
        return tuple(round(state * rate, _DIGITS) for state in range(1, states + 1))
    return tuple(round(1 - (1 - rate) ** state, _DIGITS) for state in range(1, states + 1))


def states_to(sparsity: float, rate: float = 0.2, of: Of = "survivors") -> tuple[float, ...]:
    """Return the ladder that ends at a sparsity, its last state perhaps a smaller step.

    Chains to different sparsities share their states but the last.

    Args:
        sparsity: removed fraction at the end, in [0, 1).
        rate: see `imp_ladder`.
        of: see `imp_ladder`.

    Returns:
        Rising removed fractions, the last of them `sparsity`; empty for a sparsity of 0.

    Raises:
        InputError: for a sparsity outside [0, 1) or a rate outside (0, 1).
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity={sparsity} is outside [0, 1); it is the removed fraction")
    if sparsity == 0:
        return ()
    if not 0 < rate < 1:
        raise InputError(f"rate={rate} must be in (0, 1)")
    needed = sparsity / rate if of == "original" else math.log1p(-sparsity) / math.log1p(-rate)
    states = max(math.ceil(needed - 1e-9), 1)  # a sparsity of the ladder itself takes no more
    return (*imp_ladder(states - 1, rate, of), sparsity)
