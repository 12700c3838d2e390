"""What can be certified of the smoothed network."""

from functools import partial
from pathlib import Path
from typing import Any

from rtickets.evaluation.entries import of_right
from rtickets.evaluation.settings import SmoothingConfig
from rtickets.evaluation.shares import do_share
from rtickets.evaluation.smoothing import ABSTAIN, Certificates, certified_right, certify
from rtickets.evaluation.subject import Subject, logits_fn
from rtickets.platform import processes


def measure_certified(subject: Subject, config: SmoothingConfig, folder: Path) -> dict[str, Any]:
    """Certify by randomized smoothing (Cohen et al. 2019).

    Args:
        subject: the network and its images.
        config: noise, samples and radii.
        folder: the run folder; what is counted is kept in its `attacks`.

    Returns:
        What is certified by radius, by the headline of the task, and the number of images that were
        abstained from.
    """
    fn = logits_fn(subject.network, subject.devices.local[:1])
    total = len(subject.y)
    mine = processes.own_share(total)
    own = partial(
        certify, fn, subject.x[mine], subject.keys[mine], sigma=config.sigma,
        num_classes=subject.network.model.num_classes,
        selection_samples=config.selection_samples, samples=config.samples, alpha=config.alpha,
        batch_size=config.batch_size,
    )  # fmt: skip
    found = do_share(lambda folder: own(folder=folder), folder / "attacks" / "certified")
    certificates = Certificates(*(processes.merge_shares(each, total) for each in found))
    radii = sorted(set(config.radii))
    right = certified_right(certificates, subject.y, radii)
    curve = [
        {"radius": radius, **of_right(subject.task, each, subject.batch)}
        for radius, each in zip(radii, right, strict=True)
    ]
    return {"curve": curve, "abstained": int((certificates.prediction == ABSTAIN).sum())}
