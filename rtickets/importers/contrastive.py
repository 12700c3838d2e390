"""What contrastive pretraining stores beside its network: queues, and heads that are thrown away.

MoCo stores a query and a key encoder with a projection head in the place of `fc` each, and a queue,
which v3 has not; VISSL its trunk under `_feature_blocks.`, heads beside it; others a `projector` or
a `predictor`. A projection head answers nothing, so such a network is a backbone without a head.
"""

import re
from collections.abc import Collection, Iterable

from rtickets.importers.prefixes import common_prefix

_QUEUE = r"(queue\d*|queue_ptr|queue_age|initialized)"
_HEAD = r"(projector|projection|projection_head|proj_head|predictor|contrastive_head|heads?)\..*"
_PROJECTIONS = {  # in the place of `fc`, by what an encoder of MoCo is called; of v3 it has layers
    re.compile(r"(?:.*\.)?encoder_[qk]\."): re.compile(r"fc(\.\d+)?\.\w+"),
    re.compile(r"(?:.*\.)?(base|momentum)_encoder\."): re.compile(r"fc\.\d+\.\w+"),
}
_TRUNK = "net."  # of SimCLR v2, whose classifier lies beside it where there is one
_BLOCK = re.compile(r"\d+\.blocks\.\d+\.net\.")


def beside(names: Iterable[str]) -> dict[str, str]:
    """Return the names of what is no part of a network, and what it is.

    Args:
        names: all names of a file; what they begin with in common is no matter.
    """
    kept, found = list(names), dict[str, str]()
    while True:
        common = common_prefix(kept)
        rest = {name: _what(name.removeprefix(common)) for name in kept}
        extra = {name: what for name, what in rest.items() if what}
        if not extra or 2 * len(extra) >= len(kept):  # what most names are is the network
            return found
        found |= extra
        kept = [name for name in kept if name not in extra]


def _what(name: str) -> str:
    if re.fullmatch(_QUEUE, name):
        return "queue of features"
    return "head of the pretraining" if re.fullmatch(_HEAD, name) else ""


def projection(prefix: str, names: Iterable[str], inner: str) -> dict[str, str]:
    """Return the names of the projection head that an encoder of MoCo has in the place of `fc`.

    Args:
        prefix: what was stripped from the names in the file.
        names: of the network.
        inner: what of the prefix they still have.
    """
    heads = [head for encoder, head in _PROJECTIONS.items() if encoder.fullmatch(prefix)]
    bare = {name: name.removeprefix(inner) for name in names}
    found = [name for name in bare if any(head.fullmatch(bare[name]) for head in heads)]
    return dict.fromkeys(found, "projection head of the pretraining")


def without_trunk(prefix: str, names: Collection[str]) -> str:
    """Return a prefix without the part that SimCLR v2 itself calls its trunk."""
    if prefix.endswith(_TRUNK) and any(_BLOCK.match(name.removeprefix(prefix)) for name in names):
        return prefix.removesuffix(_TRUNK)
    return prefix
