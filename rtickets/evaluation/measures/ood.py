"""Out-of-distribution detection: whether a network is less sure of images from elsewhere."""

from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass
from scipy.special import logsumexp
from scipy.stats import rankdata

from rtickets.data.arrays import IMAGE, Split
from rtickets.data.images.augment import Transform
from rtickets.data.settings import DataConfig
from rtickets.evaluation.features import check_backbone
from rtickets.evaluation.mahalanobis import ClassGaussians, class_gaussians, squared_distances
from rtickets.evaluation.measures.base import Asked, MeasureConfig, finite_logits
from rtickets.evaluation.measures.elsewhere import NOTHING, test_images
from rtickets.evaluation.predict import Examples, Network, on_devices
from rtickets.evaluation.subject import spread
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import Measured
from rtickets.tasks.accuracy import share, within

_KEPT = 95  # percent of the examples of the task, where false positives are counted
_NOISE = 0.25  # standard deviation of Gaussian noise around grey


@dataclass(frozen=True, config=STRICT)
class OodSettings(MeasureConfig):
    """How well a score tells the examples of the task from others.

    The scores are the largest softmax probability (`msp`, Hendrycks & Gimpel 2017) and the negative
    free energy, the log of the sum of exponentials of the logits (`energy`, Liu et al. 2020), and
    if it is asked for, the negative squared distance of the pooled features from the nearest class
    (`mahalanobis`, Lee et al. 2018, see `rtickets.evaluation.mahalanobis`). Of each, `auroc` is the
    chance that an example of the task has the larger one, and `fpr95` the share of the others that
    pass where 95% of the task's do.

    Attributes:
        data: where other examples come from, the test split of a source; None is noise.
        noise: without `data`: 'uniform' pixels, or 'gaussian' ones of mean 0.5 and deviation 0.25.
        examples: at most so many others, spread evenly.
        mahalanobis: also take the distance of features, for networks with a backbone.
        fit_examples: classes are those of at most so many training examples, spread evenly.
    """

    name: Literal["ood"] = "ood"
    data: DataConfig | None = None
    noise: Literal["uniform", "gaussian"] = "uniform"
    examples: Positive = 1000
    mahalanobis: bool = False
    fit_examples: Positive = 5000
    needs_classes = needs_images = needs_outputs = True

    @property
    def how(self) -> str:  # type: ignore[override]
        """Which images they are told from."""
        others = (
            f"test images of {self.data.source}" if self.data else f"images of {self.noise} noise"
        )
        return f"told from at most {self.examples:,} {others}"

    def forward_passes(self, examples: int, validation: int) -> float:
        """Over the other examples, and where features are asked for, over all once more."""
        more = self.examples + examples + 2 * self.fit_examples if self.mahalanobis else 0
        return super().forward_passes(examples, validation) + self.examples + more

    def check(self, examples: Examples) -> None:
        """Load the other examples once before anything is computed."""
        self._others(examples, 0)

    def check_network(self, network: Network, examples: Examples) -> None:
        """Refuse distances of features of a network whose backbone is not told from its head."""
        if self.mahalanobis:
            check_backbone(network)

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the values by score."""
        elsewhere = self._others(asked.examples, asked.seed)
        outputs, _ = asked.ask(elsewhere)
        found: dict[str, Measured] = {}
        ours, others = (_scores(each) for each in (asked.outputs, outputs))
        if self.mahalanobis:
            known = self._classes(asked)
            for scores, examples in ((ours, asked.examples), (others, elsewhere)):
                features = _features(asked, examples)
                scores["mahalanobis"] = -squared_distances(known, features)
        for name, own in ours.items():
            found[f"{name}_auroc"] = auroc(own, others[name])
            found[f"{name}_fpr95"] = false_positives(own, others[name])
        return found

    def _classes(self, asked: Asked) -> ClassGaussians:
        """Return the classes as the network sees those of training examples."""
        every = asked.training()
        few = every.split.take(spread(len(every.split), self.fit_examples))
        training = on_devices(few, every.transform, every.devices, every.task)
        _, batch = asked.ask(training)
        return class_gaussians(_features(asked, training), np.asarray(asked.task.labels(batch)))

    def _others(self, examples: Examples, seed: int) -> Examples:
        """Return the other examples as the network takes them, of the shape of the task's."""
        height, width, channels = examples.transform.output_shape(examples.split.images.shape[1:])
        if self.data is None:
            shape = (self.examples, height, width, channels)
            split, task = Split({IMAGE: _noise(self.noise, shape, seed)}), NOTHING
            transform = Transform()
        else:
            split, task, transform = test_images(self.data, examples, self.examples)
        return on_devices(split, transform, examples.devices, task)


def _features(asked: Asked, examples: Examples) -> np.ndarray:
    return asked.features(examples.split, examples.task, examples.transform)


def _noise(kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    generator = np.random.default_rng((seed, 4))
    if kind == "uniform":
        return generator.integers(0, 256, shape, np.uint8)
    pixels = generator.normal(0.5, _NOISE, shape)
    return np.round(255 * np.clip(pixels, 0, 1)).astype(np.uint8)


def _scores(logits: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores that are larger for what the network knows, (N,) each.

    The largest probability is given as its log odds, which order alike and do not end at 1.

    Raises:
        InputError: for logits that are not finite.
    """
    logits = finite_logits(logits)
    ordered = np.sort(logits, -1)
    others = logsumexp(ordered[:, :-1], -1) if logits.shape[-1] > 1 else -np.inf
    return {"msp": ordered[:, -1] - others, "energy": logsumexp(logits, -1)}


def auroc(ours: np.ndarray, others: np.ndarray) -> Measured:
    """Return the chance that one of ours has a larger score than one of the others.

    Args:
        ours: floats (N,).
        others: floats (M,); equal scores count half.

    Returns:
        The area under the ROC curve with the interval of DeLong et al. 1988; where that has no
        width, Wilson's of as many answers as there are of the fewer.
    """
    n, m = len(ours), len(others)
    ranks = rankdata(np.concatenate([ours, others]))
    beaten = (ranks[:n] - rankdata(ours)) / m  # share of the others below each of ours
    beating = 1 - (ranks[n:] - rankdata(others)) / n  # share of ours above each of the others
    value = float(beaten.mean())
    variance = sum(
        each.var(ddof=1) / len(each) if len(each) > 1 else 0 for each in (beaten, beating)
    )
    return within(value, variance**0.5, min(n, m))


def false_positives(ours: np.ndarray, others: np.ndarray) -> Measured:
    """Return the share of the others that pass the largest threshold that 95% of ours pass.

    Who reaches the threshold passes it. The interval is Wilson's over the others, the threshold
    taken as given.
    """
    kept = -(-_KEPT * len(ours) // 100)
    threshold = np.sort(ours)[len(ours) - kept]
    passed = int((others >= threshold).sum())
    return share(passed, len(others)).measured(higher_is_better=False)
