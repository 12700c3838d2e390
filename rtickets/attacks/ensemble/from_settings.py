"""The attacks that a configuration asks for."""

from dataclasses import replace
from typing import Any

from rtickets.attacks import Member, autoattack_members
from rtickets.attacks.settings import AttackConfig


def members_of(config: AttackConfig, eps: float) -> tuple[Member, ...]:
    """Return the attacks of a configuration at a radius in pixels; the step of PGD follows it."""
    samples = config.samples if config.input_noise else 0
    if config.ensemble is not None:
        members = autoattack_members(config.ensemble, config.norm)
        return tuple(replace(member, samples=samples) for member in members)
    counts = config.steps, config.restarts, config.targets, samples
    return (Member(config.kind, *counts, **at_radius(config, eps).member_fields()),)


def at_radius(config: AttackConfig, eps: float) -> AttackConfig:
    """Return the attack at another radius, a step of its own in proportion."""
    changes: dict[str, Any] = {"eps": eps}
    step = getattr(config, "step_size", None)
    if step is not None and config.eps:
        changes["step_size"] = step * (eps / config.eps)
    return replace(config, **changes)
