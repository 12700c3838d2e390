"""What a measure is: (network, examples, task) -> named values with intervals.

A measure is a frozen dataclass of its settings, an entry of the family `MeasureConfig`. An
evaluation runs those under its `measures`, each by a label of its own. There are two ways to write
one:

- **Sums.** `sums(outputs, batch, task)` returns a flat dictionary of numbers or arrays that add up
  over examples, `values(sums, task)` makes values of the sums of all of them. `sums` is traced, as
  that of a task is, so it is written with JAX, and the settings are hashable; no outputs leave the
  devices, however large they are.
- **Whole.** `measure(asked)`, where sums do not do: quantiles (`Asked.outputs`, all of them on the
  host, which is for outputs as small as logits), other examples than the split's
  (`Asked.validation`), another pass over the network (`Asked.ask`).

What it returns are `rtickets.tasks.Measured` by name: the value, its 95% interval over examples,
unit and direction. Results, tables and reports show them as LABEL.NAME and know nothing else about
them. A value has to be finite; a measure that has none for some answers raises `InputError`.

A measure may have something to look at as well: rows of images that it hands to `Asked.keep` by
name. They lie as LABEL.NAME.png in the folder `pictures` of the run, and reports show them. Tables
of numbers, that it hands to `Asked.tabulate`, are in the result under `tables` as LABEL.NAME.

What others may ask of it are attributes: whether it needs logits over classes, all outputs at once,
or validation examples; how many more forward passes it takes.

To add one, write a subclass in a file of its own in this folder and announce it in `registry`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass
from scipy.special import ndtri

from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.evaluation.comparison import compared, gallery_of
from rtickets.evaluation.counting import Counter, count
from rtickets.evaluation.features import features_fn, pooled_features
from rtickets.evaluation.pictures import Keep, nowhere
from rtickets.evaluation.predict import Examples, Network, answers
from rtickets.evaluation.subject import Subject, logits_fn, make_subject, spread
from rtickets.settings.kinds import STRICT
from rtickets.settings.variants import Variant
from rtickets.tasks import Measured, Task
from rtickets.tasks.base import Batch, Sums
from rtickets.tasks.comparison import Comparison, Neighbours

Tabulate = Callable[[str, list[dict[str, float]]], None]


def no_examples() -> Examples:
    """Refuse: a measure asks for examples that there are none of."""
    raise InputError(
        "it needs validation or training examples of the task, and there are none; give "
        "evaluate_network those that it asks for"
    )


class Asked(NamedTuple):
    """What a measure is asked about.

    Attributes:
        network: the network.
        examples: the split, on the devices or streamed, and its task.
        answers: returns what the network answers to all of it, and the arrays of all of it but the
            inputs, as the task prepares them, on the host.
        validation: returns the validation examples of the same task.
        batch_size: examples per call of the network.
        seed: of all randomness.
        keep: keeps a row of images (K, H, W, C) in [0, 1] by name, for reports.
        training: returns the training examples of the same task.
        about: what the task knows of the data set, see `Task.about`.
        tabulate: keeps a table by name, rows of numbers by column, for results and reports.
        sums: of the measure that is asked, over all of it, where it is made of some.
    """

    network: Network
    examples: Examples
    answers: Callable[[], tuple[Any, dict[str, np.ndarray]]]
    validation: Callable[[], Examples]
    batch_size: int = 256
    seed: int = 0
    keep: Keep = nowhere
    training: Callable[[], Examples] = no_examples
    about: Mapping[str, Any] = MappingProxyType({})
    tabulate: Tabulate = nowhere
    sums: Sums | None = None

    @property
    def task(self) -> Task:
        """What the examples ask."""
        return self.examples.task

    @property
    def outputs(self) -> Any:
        """What the network answers to the whole split."""
        return self.answers()[0]

    @property
    def batch(self) -> dict[str, np.ndarray]:
        """The arrays of the whole split but the inputs."""
        return self.answers()[1]

    def ask(self, examples: Examples) -> tuple[Any, dict[str, np.ndarray]]:
        """Return what the network answers to other examples, and their arrays."""
        return answers(self.network, examples, batch_size=self.batch_size)

    def sums_of(self, examples: Examples, *counters: Counter) -> tuple[Sums, ...]:
        """Return what adds up over other examples, see `rtickets.evaluation.counting`."""
        return count(self.network, examples, *counters, batch_size=self.batch_size)

    def compared(self, how: Comparison) -> Sums:
        """Return what a comparison counts, see `rtickets.evaluation.comparison.compared`."""
        gallery = None
        if isinstance(how, Neighbours):
            known = self.training()
            where = known.transform, known.devices, known.task
            gallery = gallery_of(how, known.split, *where)
        return compared(self.network, self.examples, gallery, self.batch_size, how)

    def features(self, split: Split, task: Task, transform: Transform) -> np.ndarray:
        """Return what the network's head sees of examples, see `pooled_features`."""
        return pooled_features(self.network, split, task, transform, self.batch_size)

    def features_fn(self, level: str) -> Callable[[Array], Array]:
        """Return the network as a function of inputs to the features of a level."""
        return features_fn(self.network, level)

    def logits_fn(self) -> Callable[[Array], Array]:
        """Return the network as a function of inputs to its outputs."""
        called = self.task.evaluated(self.network.model, self.examples.transform)
        return logits_fn(self.network._replace(model=called), self.examples.devices)

    def seen(self, count: int) -> tuple[Any, dict[str, np.ndarray]]:
        """Return what the network answers to at most so many examples, spread evenly.

        With their arrays, inputs among them, on the host; `batch_size` of them are on the devices.
        """
        chosen = spread(len(self.examples.split), count)
        return answers(
            self.network, self.examples, chosen=chosen, keep_inputs=True,
            batch_size=min(self.batch_size, len(chosen)),
        )  # fmt: skip

    def chosen(self, count: int) -> Subject:
        """Return at most so many examples, spread evenly, as the network takes them."""
        network, (split, transform, devices, task, _) = self.network, self.examples
        return make_subject(
            network, split, transform, count=count, seed=self.seed, batch_size=self.batch_size,
            devices=devices, task=task,
        )  # fmt: skip


@dataclass(frozen=True, config=STRICT)
class MeasureConfig(Variant):
    """A measure; see the head of this file for the contract.

    Attributes:
        name: which measure.
    """

    family: ClassVar[str] = "measure"
    entries: ClassVar[dict[str, Any]] = {}

    # What others may ask; subclasses say otherwise, or make properties of them.
    needs_classes = False  # outputs have to be logits over classes
    needs_images = False  # the input has to be an image
    needs_outputs = False  # it looks at all of them at once, so another pass keeps them
    needs_validation = False  # it chooses something on validation examples
    how = ""  # what its values depend on beside network and split, in words for reports

    def examples_of(self, available: int) -> int:
        """Return on how many of the examples of the split its values are, at most.

        A value that is of others, or of fewer, says so itself (`Measured.examples`).
        """
        return available

    def forward_passes(self, examples: int, validation: int) -> float:
        """Return how many forward passes it takes beyond that over the split, for dry runs.

        Args:
            examples: number of examples of the split.
            validation: number of validation examples.
        """
        return float(examples * self.needs_outputs + validation * self.needs_validation)

    @property
    def counts(self) -> bool:
        """Whether it is made of sums."""
        return type(self).sums is not MeasureConfig.sums

    def check(self, examples: Examples) -> None:
        """Refuse what cannot be measured of a split, before anything is computed."""

    def check_network(self, network: Network, examples: Examples) -> None:
        """Refuse what cannot be measured of a network, before anything is computed."""

    def measure(self, asked: Asked) -> dict[str, Measured]:
        """Return the values by name: by default those of the sums over the split."""
        assert asked.sums is not None  # who is made of them has them
        return self.values(asked.sums, asked.task)

    def sums(self, outputs: Any, batch: Batch, task: Task) -> Sums:
        """Return what adds up over examples, by name."""
        raise NotImplementedError

    def listed(self, outputs: Any, batch: Batch, task: Task) -> dict[str, Any]:
        """Return what its sums need besides of every example, see `Task.listed`; of most {}."""
        del outputs, batch, task
        return {}

    def values(self, sums: Mapping[str, Any], task: Task) -> dict[str, Measured]:
        """Return the values by name, of the sums of the whole split."""
        raise NotImplementedError


def mean_of(
    values: np.ndarray,
    unit: str = "",
    higher_is_better: bool | None = True,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Measured:
    """Return the mean of values of independent examples, float (N,), see `Measured`.

    Its interval is that of the central limit theorem, cut off at the bounds, which the mean cannot
    leave; one value alone has none.
    """
    values = np.asarray(values, np.float64)
    mean, count = float(values.mean()), len(values)
    error = float(values.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    half = float(ndtri(0.975)) * error
    low, high = max(mean - half, bounds[0]), min(mean + half, bounds[1])
    return Measured(mean, low, high, unit, higher_is_better)


def finite_logits(logits: Any) -> np.ndarray:
    """Return logits as float64.

    Raises:
        InputError: for logits that are not finite, whose probabilities are none.
    """
    wrong = int((~np.isfinite(logits)).any(-1).sum())
    if wrong:
        raise InputError(
            f"the logits of {wrong} of {len(logits)} examples are not finite, so they have no "
            "probabilities; leave the measure out, or mend the network"
        )
    return np.asarray(logits, np.float64)
