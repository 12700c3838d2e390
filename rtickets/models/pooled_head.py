"""A head on its own: a network whose inputs are the pooled features of another."""

from typing import Any

from rtickets.models.network import BackboneAndHead, Features


class PooledHead(BackboneAndHead):
    """What the head of a network makes of pooled features (B, D).

    Its parameters are the entry 'head' of that network's.

    Attributes:
        num_classes: width of the head.
        make_head: makes it; one that reads levels finds none.
        named: what the features are called where the network takes several inputs, by name.
    """

    num_classes: int
    make_head: Any
    named: str | None = None

    def features(self, x: Any, train: bool = False) -> Features:
        """Return the inputs as features."""
        del train
        return Features({}, x if self.named is None else x[self.named])
