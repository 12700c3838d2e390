"""Compaction: the physically smaller network with the same outputs.

`trace` follows the forward pass of a network operation by operation (`shapes` and `mixing` have
their rules). It finds which channels can only be removed together (`units`), and of every entry of
every array whether it can be another for another input (`known`). `plan` decides from that what
stays, and `smaller` makes a ticket of it. An operation without a rule keeps all that it is given.
"""

from rtickets.tickets.compaction.links import linked_channels
from rtickets.tickets.compaction.smaller import Compacted, compact

__all__ = ["Compacted", "compact", "linked_channels"]
