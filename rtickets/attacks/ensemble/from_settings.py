"""The attacks that a configuration asks for."""

from dataclasses import replace
from typing import cast

from rtickets.attacks import Member, autoattack_members
from rtickets.attacks.ensemble.members import Kind
from rtickets.attacks.settings import AttackConfig
from rtickets.settings import config_files


def members_of(config: AttackConfig, eps: float) -> tuple[Member, ...]:
    """Return the attacks of a configuration at a radius.

    Args:
        config: the configuration.
        eps: radius in pixel units; the step of PGD follows it.

    Returns:
        The members of an ensemble.
    """
    samples = config.samples if config.input_noise else 0
    if config.name == "autoattack":
        members = autoattack_members(config.version, config.norm)
        return tuple(replace(member, samples=samples) for member in members)
    targets = config.num_targets if config.targeted else None
    counts = config.steps, config.restarts, targets, samples
    if config.name in ("pgd", "pgd_t", "fgsm", "fgsm_rs"):
        step_size = _at_radius(config, eps).step
        settings = step_size, config.starts_at_random, config.loss, config.rule
        return (Member("pgd_t" if config.targeted else "pgd", *counts, *settings),)
    return (Member(cast(Kind, config.name), *counts),)


def _at_radius(config: AttackConfig, eps: float) -> AttackConfig:
    """Return the attack at another radius, a step of its own in proportion."""
    step = config.step_size
    if step is not None and config.eps:
        step *= eps / config.eps
    return config_files.replace(config, eps=eps, step_size=step)
