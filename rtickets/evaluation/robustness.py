"""The headline under attacks that look for wrong answers, and whether to believe it.

The task is one with classes: it says which answers are wrong (`Task.fooled`), what an attack may
know of the right ones (`Task.labels`), and what the headline is of those that are left
(`Task.judged`). Others are attacked in `rtickets.evaluation.loss_attack`.
"""

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.attacks import WorstCase, worst_case
from rtickets.attacks.ensemble.from_settings import members_of
from rtickets.attacks.ensemble.members import without_gradients
from rtickets.attacks.honesty import check_model
from rtickets.attacks.honesty.findings import Finding
from rtickets.attacks.honesty.results import check_broken, check_results
from rtickets.attacks.honesty.strength import check_reported, check_strength
from rtickets.attacks.projections import Norm
from rtickets.attacks.settings import AttackConfig
from rtickets.evaluation.certified import measure_certified
from rtickets.evaluation.entries import of_right
from rtickets.evaluation.outcomes import keep_outcome, outcome_of
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.evaluation.shares import attack_in_shares
from rtickets.evaluation.subject import Subject, logits_fn, spread
from rtickets.platform import console, processes
from rtickets.storage.files import write_bytes

_HONEST_STEPS = 20


def measure_attack(
    subject: Subject, label: str, config: AttackConfig, folder: Path, *, save_images: bool
) -> tuple[dict[str, Any], dict[float, WorstCase], list[Finding]]:
    """Measure the headline under an attack, at all its radii.

    Args:
        subject: the network and its images.
        label: name of the attack in the evaluation.
        config: the attack.
        folder: the run folder; the attacks keep their states in its `attacks`, and what became of
            every image at the main radius is left in its `outcomes`.
        save_images: keep the adversarial images there.

    Returns:
        (result, outcome by radius, findings about it). The result is the headline with its
        interval, the table of the attacks, the headline recomputed from the adversarial images, and
        the curve over radii. Of a random network these are means over `draws` fresh draws
        of the worst images, see `rtickets.attacks.WorstCase`.
    """
    fn = logits_fn(subject.network, subject.devices, config.input_noise)
    if config.input_noise:  # every image is evaluated as so many noisy copies
        subject = subject._replace(batch_size=-(-subject.batch_size // config.samples))
    found: dict[float, WorstCase] = {}
    for eps in dict.fromkeys((config.eps, *config.radii)):
        attack = partial(
            worst_case, fn, eps=eps, norm=config.norm, members=members_of(config, eps),
            say=partial(_say, f"{label}, eps {eps:g}"),
        )  # fmt: skip
        found[eps] = attack_in_shares(attack, subject, folder / "attacks" / f"{label}-{eps}")
    main, held = found[config.eps], _held(config)
    if save_images and processes.is_primary():
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {"x_adv": main.x_adv, "labels": subject.y, "fooled": ~held(main)}
        if main.expected:
            arrays["right"] = main.expected.right
        np.savez_compressed(buffer, **arrays)
        write_bytes(folder / f"adversarial_{label}.npz", buffer.getvalue())
    outcome = outcome_of(subject.task, _right(main), subject.batch)
    keep_outcome(folder, label, outcome)
    values = {eps: _headline(subject, _right(one)) for eps, one in sorted(found.items())}
    again = main.recomputed if main.expected is None else main.expected.right
    result = {
        **values[config.eps],
        **({"draws": main.expected.draws} if main.expected else {}),
        "recomputed": _headline(subject, again),
        "runs": _runs(subject, main),
        "curve": [{"eps": eps, **value} for eps, value in values.items()],
    }
    curve = {eps: each["value"] for eps, each in values.items()}
    findings = _findings(main, curve, random=config.input_noise > 0)
    members, classes = members_of(config, config.eps), subject.network.model.num_classes
    return result, found, [*findings, check_strength(members, config.norm, classes)]


def _held(config: AttackConfig) -> Callable[[WorstCase], np.ndarray]:
    """Return what counts as robust, bool (N,), of an outcome."""
    return attrgetter("recomputed" if config.input_noise else "robust")


def _right(found: WorstCase) -> np.ndarray:
    """Return what is correct under an attack, bool (N,), or of a random network the shares."""
    return found.robust if found.expected is None else found.expected.right


def _runs(subject: Subject, found: WorstCase) -> list[dict[str, Any]]:
    """Return the table of the attacks, without times and by the headline of the task."""
    left, runs = found.correct, []
    for index, row in enumerate(found.rows):
        left = left & (found.fooled_by != row.attack)
        right = left if found.expected is None else found.expected.after[index].astype(float)
        values = row._replace(robust_accuracy=_headline(subject, right)["value"])._asdict()
        runs.append({name: value for name, value in values.items() if name != "seconds"})
    return runs


def _say(about: str, line: str) -> None:
    console.say(f"{about}: {line}")


def _headline(subject: Subject, correct: np.ndarray) -> dict[str, Any]:
    return of_right(subject.task, correct, subject.batch)


def _findings(found: WorstCase, curve: Mapping[float, float], *, random: bool) -> list[Finding]:
    """Examine results: saved images, black box against white box, the headline over eps.

    A random network answers the saved images with other draws, so they say nothing of it.
    """
    differ, total = int((found.recomputed != found.robust).sum()), len(found.robust)
    alike = differ <= max(1, total // 500)
    message = (
        f"{differ} of {total} images are classified differently when the adversarial images are "
        "evaluated once more"
    )
    if not alike:
        message += ": answers are random or depend on the rest of the batch; switch that off"
    findings = [] if random else [Finding("recomputed", alike, differ / total, message)]
    if found.broken.any():
        findings.append(check_broken(found.broken))
    arguments: dict[str, Any] = {}
    if len(curve) > 1:
        arguments |= {"accuracy": curve, "examples": total}
        if found.expected:  # three standard errors of the difference of two means over draws
            arguments["error"] = 3 * (0.5 / (total * found.expected.draws)) ** 0.5
    *before, last = (row.attack for row in found.rows)
    blind = without_gradients()
    if before and last in blind:  # an attack with gradients after it might find the same
        black = np.isin(found.fooled_by, blind)
        arguments |= {"white_box": ~found.robust & ~black, "black_box": black}
    return findings + list(check_results(**arguments).findings if arguments else ())


def _across(
    attacks: Mapping[str, AttackConfig], outcomes: Mapping[str, Mapping[float, WorstCase]]
) -> list[dict[str, Any]]:
    """Compare attacks without gradients with those with, where both were run at a radius."""
    findings = []
    fair = {label: own for label, own in attacks.items() if not own.input_noise}
    for norm, eps in dict.fromkeys((attack.norm, attack.eps) for attack in fair.values()):
        alike = [label for label, own in fair.items() if (own.norm, own.eps) == (norm, eps)]
        black = [label for label in alike if attacks[label].black_box]
        white = [label for label in alike if label not in black]
        if black and white:
            fooled = (
                np.any([~outcomes[label][eps].robust for label in labels], axis=0)
                for labels in (white, black)
            )
            verdict = check_results(**dict(zip(("white_box", "black_box"), fooled, strict=True)))
            findings += [_record(", ".join(alike), finding) for finding in verdict.findings]
    return findings


def check_honesty(
    subject: Subject, eps: float, norm: Norm, input_noise: float = 0.0, samples: int = 0
) -> list[Finding]:
    """Return the findings of `rtickets.attacks.honesty.check_model` on a network and a few images.

    Args:
        input_noise: standard deviation of noise on the network's input, in pixel units.
        samples: draws of the noise, 0 without.
    """
    fn = logits_fn(subject.network, subject.devices.local[:1], input_noise)
    key = jax.random.fold_in(subject.keys[0], 1)
    x, y = jnp.asarray(subject.x), jnp.asarray(subject.y)
    verdict = check_model(
        fn, x, y, key, eps=eps, norm=norm, num_steps=_HONEST_STEPS, samples=samples
    )
    return list(verdict.findings)


def check_strongest(
    subject: Subject, config: AttackConfig, found: Mapping[float, WorstCase], examples: int
) -> list[Finding]:
    """Compare an attack image by image with a short one of the checks' own, at all its radii.

    Args:
        subject: the network and the images that the attack was run on.
        config: the attack.
        found: its outcomes by radius.
        examples: number of images to compare on.

    Returns:
        The finding of `rtickets.attacks.honesty.strength.check_reported`; none without a positive
        radius.
    """
    chosen, held = spread(len(subject.y), examples), _held(config)
    robust = {eps: held(one)[chosen] for eps, one in found.items() if eps > 0}
    if not robust:
        return []
    few = subject.take(examples)
    fn = logits_fn(subject.network, subject.devices.local[:1], config.input_noise)
    key = jax.random.fold_in(subject.keys[0], 1)
    x, y, samples = jnp.asarray(few.x), jnp.asarray(few.y), config.samples
    return [
        check_reported(
            fn, x, y, key, robust, norm=config.norm, num_steps=_HONEST_STEPS,
            samples=samples if config.input_noise else 0,
        )
    ]  # fmt: skip


def measure_robustness(
    config: EvaluateConfig, subject_of: Callable[..., Subject], folder: Path
) -> dict[str, Any]:
    """Measure everything that an evaluation asks for beyond the headline on examples as they are.

    Args:
        config: the evaluation.
        subject_of: (count=) -> the network with so many images.
        folder: the run folder; its `attacks`, which a killed evaluation goes on from, is left.

    Returns:
        'attacks', a result per attack; 'honesty', where there are attacks, with the findings and
        whether all checks passed, None where the network was not examined; 'certified', where it is
        asked for.
    """
    result: dict[str, Any] = {"attacks": {}}
    if config.attacks:
        subject = subject_of(count=config.attack_examples)
        findings: list[dict[str, Any]] = []
        outcomes: dict[str, dict[float, WorstCase]] = {}
        for label, attack in config.attacks.items():
            result["attacks"][label], outcomes[label], found = measure_attack(
                subject, label, attack, folder, save_images=config.save_images
            )
            if config.honesty_examples:
                found += check_strongest(subject, attack, outcomes[label], config.honesty_examples)
            findings += [_record(label, finding) for finding in found]
        findings += _across(config.attacks, outcomes)
        # Once for every norm, at its largest radius: what hides gradients does so there at last.
        examined = _largest_radii(config.attacks.values()) if config.honesty_examples else {}
        if examined:
            few = subject.take(config.honesty_examples)
            for (norm, noise), eps in examined.items():
                # all copies are evaluated at once, which a batch has room for
                samples = max(config.batch_size // len(few.y), 2) if noise else 0
                about = f"model, {norm}" + (f", input noise {noise:g}" if noise else "")
                found = check_honesty(few, eps, norm, noise, samples)
                findings += [_record(about, finding) for finding in found]
        result["honesty"] = {"passed": _passed(findings, examined), "findings": findings}
    if config.smoothing is not None:
        subject = subject_of(count=config.smoothing.examples)
        result["certified"] = measure_certified(subject, config.smoothing, folder)
    return result


def _passed(findings: Sequence[Mapping[str, Any]], examined: Mapping[Any, float]) -> bool | None:
    """Return whether all checks passed, None where none failed but the network was not examined."""
    if any(finding["passed"] is False for finding in findings):
        return False
    return True if examined else None


def _record(about: str, finding: Finding) -> dict[str, Any]:
    value = finding.value if math.isfinite(finding.value) else None  # JSON has no infinity
    return {"about": about, **finding._asdict(), "value": value}


def _largest_radii(attacks: Iterable[AttackConfig]) -> dict[tuple[Norm, float], float]:
    """Return the radius to examine the network at, by norm and input noise."""
    radii: dict[tuple[Norm, float], float] = {}
    for attack in attacks:
        eps = attack.eps or max(attack.radii, default=0.0)
        kind = attack.norm, attack.input_noise
        radii[kind] = max(eps, radii.get(kind, 0.0))
    return {kind: eps for kind, eps in radii.items() if eps}
