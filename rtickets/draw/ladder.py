"""The sparsities that iterative pruning goes through."""

import math
from typing import Literal

from rtickets.errors import InputError

Of = Literal["survivors", "original"]
_DIGITS = 12  # so that a state's sparsity is the number one would write: 0.36, not 0.3599...


def imp_ladder(states: int = 19, rate: float = 0.2, of: Of = "survivors") -> tuple[float, ...]:
    """Return the sparsity after every state of iterative pruning.

    Args:
        states: number of states.
        rate: fraction removed in each, in (0, 1).
        of: whether it counts from the 'survivors' of the state before or from the 'original'.

    Returns:
        Rising removed fractions, to 12 decimals; by default 0.2, 0.36, ... 1 - 0.8^19 (Frankle &
        Carbin 2019).
    """
    if not 0 < rate < 1 or states < 0:
        raise InputError(f"rate={rate} must be in (0, 1), and states={states} at least 0")
    if of == "original" and states * rate >= 1:
        raise InputError(f"{states} states of {rate} of the original weights leave none")
    return tuple(_after(state, rate, of) for state in range(1, states + 1))


def states_to(
    sparsity: float, rate: float = 0.2, of: Of = "survivors", start: float = 0.0
) -> tuple[float, ...]:
    """Return the ladder that ends at a sparsity, its last state perhaps a smaller step.

    Chains to different sparsities share their states but the last, and one that goes on from a
    state of a ladder has the states that follow.

    Args:
        sparsity: removed fraction at the end, in [0, 1), of the dense network.
        rate: see `imp_ladder`, as `of`.
        start: removed fraction of the network that is iterated on, in [0, 1).

    Returns:
        Rising removed fractions, the last of them `sparsity`; empty for a sparsity of 0.

    Raises:
        InputError: for a sparsity outside [0, 1), one that is reached already, or a rate outside
            (0, 1).
    """
    if not 0 <= sparsity < 1:
        raise InputError(f"sparsity={sparsity} is outside [0, 1); it is the removed fraction")
    if start and sparsity <= start:
        raise InputError(
            f"sparsity={sparsity} is reached already: the network to prune has lost {start:.6g} of "
            "its prunable weights; ask for more"
        )
    if sparsity == 0:
        return ()
    if not 0 < rate < 1:
        raise InputError(f"rate={rate} must be in (0, 1)")
    first, last = _states(start, rate, of), _states(sparsity, rate, of)
    needed = max(math.ceil(last - first - 1e-9), 1)  # a state of the ladder itself takes no more
    return (*(_after(first + state, rate, of) for state in range(1, needed)), sparsity)


def _after(states: float, rate: float, of: Of) -> float:
    """Return the sparsity after a number of states, which need not be whole."""
    return round(states * rate if of == "original" else 1 - (1 - rate) ** states, _DIGITS)


def _states(sparsity: float, rate: float, of: Of) -> float:
    """Return after how many states a sparsity is reached, a whole number if it is one."""
    states = sparsity / rate if of == "original" else math.log1p(-sparsity) / math.log1p(-rate)
    return round(states) if _after(round(states), rate, of) == round(sparsity, _DIGITS) else states
