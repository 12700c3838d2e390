"""What a network is asked to do, and how that is judged.

A task is the one place that knows what the arrays of an example mean. Training, selection,
evaluation and reports hand its batches on without looking into them, and write the names, units and
directions that it gives.

**Batches** are dictionaries of arrays, examples first: `{"image": ..., "label": ...}`, of any
names, dtypes and shapes. Those named by `Task.inputs` are what the network sees, the others what
its answer is compared with. The first of the inputs, `Task.input`, is what an attack may change and
an objective puts something else in the place of; `seen` says what the network is then called with.
`prepare` and `augment` turn stored examples into such a batch, an image and what belongs to its
places alike.

**Loss and sums.** `loss` is what training minimises, one number per example. `sums` is what is
counted while a network is trained or evaluated: a flat dictionary of arrays that add up over
examples: the sums of a batch are those of its examples, each a batch by itself, and so of
micro-batches, devices and hosts. Sums hold everything that `measures` needs, so that the outputs of
a batch never leave the devices, however large they are: `measures(sums of all examples)` are the
measures of the split. What is no sum, as examples are ranked among each other, is `listed`: small
arrays of every example, independent of the others, which evaluations put one after the other under
`LISTED` of the sums. Training counts sums alone, and `measures` then returns what they give.

**Measures** are numbers with a 95% interval, a unit and a direction. One of them is the headline:
validation, the choice of the best weights and reports go by it.

**What is known of the examples.** A ticket remembers what its head answers: `about(dataset)`, a
dictionary that JSON can hold, such as the names of classes. From it come the `width` of the `head`,
and whether one fits another data set (`aligned`, `matched`).

**Several views.** What the network sees of a batch may be several inputs an example (`seen`), those
of the first view before those of the second; outputs then are as many, and `loss` still returns one
number per example.

**Frozen, hashable, static.** A task is a frozen dataclass whose fields are its settings, one of the
family `rtickets.data.task_settings.TaskConfig`, so that a configuration or a source can name it;
`rtickets.tasks.registry` announces it. It is part of what is compiled: equal tasks share programs,
and `prepare`, `augment`, `loss`, `sums`, `listed`, `fooled`, `labels` and `divergence` are traced.
So they are pure, work on traced arrays, and read nothing but their arguments and the fields. The
others are called on the host, with NumPy arrays.

`rtickets.tasks.ArrayTask` is a start: a task says its `name`, `inputs`, `headline`, `width`,
`loss`, `sums` and `measures`; `ImageTask` is one whose input is an image.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from jax import Array

from rtickets.data.arrays import Dataset, Raw
from rtickets.data.images.augment import Transform
from rtickets.models.inputs import Input, Inputs
from rtickets.tasks.beyond import BeyondExamples
from rtickets.tasks.many_answers import Batch as Batch
from rtickets.tasks.many_answers import ManyAnswers
from rtickets.tasks.measured import Headline as Headline
from rtickets.tasks.measured import Measured as Measured
from rtickets.tasks.whole import Reduce as Reduce
from rtickets.tasks.whole import alone as alone

Sums = dict[str, Any]
LISTED = "listed"  # the name among sums of arrays (N, ...) by name, see `Task.listed`


class Task(BeyondExamples, ManyAnswers, Protocol):
    """A task; see the head of this file for the contract."""

    @property
    def name(self) -> str:
        """What configurations and tickets call it."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the arrays that the network sees."""
        ...

    @property
    def input(self) -> str:
        """The first of them."""
        ...

    @property
    def attackable(self) -> bool:
        """Whether the first has gradients and a ball around it in which an attack may move."""
        ...

    @property
    def answers(self) -> str:
        """What the outputs of a head are, in the plural, for lines about sizes."""
        ...

    @property
    def head(self) -> Callable[[int], Any]:
        """What makes a head of a width, from `models.Features`; equal for equal tasks."""
        ...

    @property
    def backbone_stride(self) -> int | None:
        """The output stride of the backbone, None for the usual, see `rtickets.models.build`."""
        ...

    @property
    def headline(self) -> Headline:
        """The measure that selection and reports go by."""
        ...

    @property
    def has_classes(self) -> bool:
        """Whether outputs are logits over classes, of which `labels` are the right ones."""
        ...

    @property
    def has_divergence(self) -> bool:
        """Whether `divergence` is known."""
        ...

    @property
    def paints(self) -> bool:
        """Whether answers are something to look at, see `painted`."""
        ...

    @property
    def beside_head(self) -> frozenset[str]:
        """Settings that may differ from those a head was trained with where it is judged."""
        ...

    def __hash__(self) -> int:
        """Return the same for equal settings, which share a compiled program."""
        ...

    def split(self, arrays: Mapping[str, Any]) -> np.ndarray | None:
        """Return what parts of a split are balanced over, see `TaskConfig.split`."""
        ...

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Return what is odd about the examples of a source, see `TaskConfig.check`."""
        ...

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return what a head for a data set is for, as JSON gives it back."""
        ...

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of outputs of a head, InputError if `about` is of none."""
        ...

    def aligned(self, about: Mapping[str, Any], dataset: Dataset) -> Dataset | None:
        """Return a data set as a head can be trained on further, None if it needs a fresh one.

        Its examples are changed where need be, such as classes in the head's order.
        """
        ...

    def matched(self, about: Mapping[str, Any], dataset: Dataset) -> Dataset:
        """Return a data set as a head can be judged on it, what is changed said in its notes.

        Raises:
            InputError: if the head does not answer it.
        """
        ...

    def input_spec(self, transform: Transform, stored: Mapping[str, Input]) -> Inputs:
        """Return what the network takes of an example.

        Args:
            transform: from stored pixels to the network's input.
            stored: what an example is stored as, by name.

        Raises:
            InputError: if an input is not among them.
        """
        ...

    def seen(self, batch: Batch, changed: Any) -> Any:
        """Return what the network is called with, `changed` in the place of the first input."""
        ...

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return stored examples as a network is evaluated on them."""
        ...

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return stored examples as a network is trained on them, changed at random by `keys`."""
        ...

    def loss(self, outputs: Any, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return what training minimises.

        Args:
            outputs: what the network answers, float32, examples first.
            batch: what it was asked, b examples of a batch that may lie on several devices.
            reduce: the whole batch, for losses that look at it, see `rtickets.tasks.whole`.

        Returns:
            float32 (b,).
        """
        ...

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return what adds up over batches to what `measures` takes, arrays by name."""
        ...

    def listed(self, outputs: Any, batch: Batch) -> dict[str, Array]:
        """Return what `measures` needs of every example, (b, ...) by name; of most tasks {}."""
        ...

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return all measures by name, the headline among them if what it needs is there.

        Raises:
            NothingCountedError: where nothing in the examples counts.
        """
        ...

    def fooled(self, outputs: Any, batch: Batch) -> Array:
        """Return where an answer is wrong beyond dispute, bool (b,).

        It is what an attack on the example aims at; an attack on a task without right and wrong
        raises the loss.
        """
        ...

    def painted(self, outputs: Any, batch: Batch) -> dict[str, Any]:
        """Return pictures of examples and answers by name, rows of images (b, H, W, 1 or 3).

        They are for people, with values in [0, 1].

        Raises:
            InputError: where answers are nothing to look at.
        """
        ...

    def labels(self, batch: Batch) -> Array | None:
        """Return int32 classes (b,) if outputs are logits over classes, else None.

        With classes an attack may use what it knows of logits, as margins.
        """
        ...

    def judged(self, right: Any, batch: Batch) -> Measured:
        """Return the headline where nothing but which answers are right is known, on the host.

        So it is under attacks on classes, and where predictions are certified.

        Args:
            right: bool (N,), or the share of draws of a random network in which it is, float (N,).
            batch: what was asked.

        Raises:
            InputError: where the headline is no matter of right and wrong.
        """
        ...

    def example_weights(self, batch: Batch) -> np.ndarray | None:
        """Return how much each example counts in `judged`, on the host.

        The headline is then the sum over examples of weight times right; intervals of comparisons
        are made of that.

        Returns:
            float (N,) that add up to 1; None where all count alike.
        """
        ...

    def chance(self, batch: Batch) -> float | None:
        """Return the headline of the best answers that do not look at the input, on the host.

        A network that is not better than these has not understood the task, or is broken. It is
        asked of tasks with classes.

        Returns:
            The value; None where nobody knows it.
        """
        ...

    def divergence(self, outputs: Any, reference: Any) -> Array:
        """Return how far answers are from others to the same questions, float32 (b,), 0 if alike.

        Raises:
            InputError: where the task knows no such distance.
        """
        ...

    def smoothed(self, amount: float) -> "Task":
        """Return the task with targets smoothed by `amount`, which changes its loss alone.

        Raises:
            InputError: where targets are nothing that can be smoothed.
        """
        ...
