"""What a task without answers of its own is judged by: features of examples, compared with others.

`rtickets.evaluation.comparison` computes what is named here, of the features before the head, and
adds what it counts to the sums of the task.
"""

from dataclasses import dataclass

from rtickets.data.images.random_views import CVLTH, ViewsConfig


@dataclass(frozen=True)
class Neighbours:
    """The class of an example is that of its nearest training examples (Wu et al. 2018).

    A neighbour votes with exp(cosine similarity / temperature).

    Attributes:
        count: number of neighbours.
        temperature: of the votes.
        gallery: at most so many training examples, spread evenly; None takes all.
    """

    count: int = 200
    temperature: float = 0.07
    gallery: int | None = None


@dataclass(frozen=True)
class Retrieval:
    """Whether the other view of an example is its nearest in a group of examples.

    Both views ask for each other among all other views of the group (Chen et al. 2021, eq. 2).

    Attributes:
        group: examples in it.
        top: ranks that count as found.
        seed: of the views.
        views: how they are made.
    """

    group: int = 128
    top: tuple[int, ...] = (1, 3, 5)
    seed: int = 0
    views: ViewsConfig = CVLTH


Comparison = Neighbours | Retrieval
