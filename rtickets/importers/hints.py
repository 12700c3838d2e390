"""What a file says about its network besides the tensors: words that are read, never trusted alone.

They come from the file's name, a config.json beside it, the metadata of safetensors and ONNX, and
the arguments that training scripts store in a checkpoint.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.errors import printable

_CONFIG = "config.json"
_OF_ITS_FILE = {"flax_model", "model", "open_clip_pytorch_model", "pytorch_model"}  # on hubs
_WEIGHTS = {
    ".bin", ".ckpt", ".h5", ".msgpack", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors",
    ".tar", ".th",
}  # fmt: skip
_MAX_FILES = 10_000  # that are looked at in a folder
_MAX_BYTES = 1 << 20  # of a config.json
_MAX_DEPTH, _MAX_ENTRIES = 5, 10_000  # of stored arguments
_MAX_TEXT = 200
_NAMES = {
    "arch", "architecture", "architectures", "arch_name", "backbone", "base_model", "encoder",
    "model", "model_arch", "model_name", "net", "network",
}  # fmt: skip
_DETAILS = {
    "aa_layer", "act", "act_fn", "act_layer", "activation", "activation_fn", "activation_function",
    "avg_down", "bn_eps", "dilated", "dilation", "hidden_act", "nonlinearity", "norm_eps",
    "output_stride", "replace_stride_with_dilation", "stem_type", "style",
}  # fmt: skip
_SHARES = {"k", "keep", "prune_rate", "remaining", "sparsity"}  # of weights that a mask keeps


class Hint(NamedTuple):
    """Something that a file says.

    Attributes:
        place: where: 'file name', 'config.json', 'metadata', or the path of an argument.
        key: what about.
        value: what.
    """

    place: str
    key: str
    value: Any

    def __str__(self) -> str:
        """Return the hint in words for a message."""
        if self.place == "file name":
            return f"its name {printable(self.value, _MAX_TEXT)}"
        value = printable(self.value, _MAX_TEXT)
        return f"{printable(self.key)}={value} in its {printable(self.place, _MAX_TEXT)}"

    @property
    def text(self) -> str:
        """The hint for regular expressions, in lower case."""
        return f"{self.key}={str(self.value)[:_MAX_TEXT]}".lower()


class Hints(NamedTuple):
    """All that a file says.

    Attributes:
        network: about the architecture.
        shares: about the share of weights that a mask keeps.
        config: what a config.json beside the file says about images and classes, {} without one.
        left: about the architecture in a config.json that may belong to another file beside it.
        other: name of that file, '' where config.json is this file's or there is none.
    """

    network: tuple[Hint, ...]
    shares: tuple[Hint, ...]
    config: Mapping[str, Any]
    left: tuple[Hint, ...] = ()
    other: str = ""


def gather(path: Path, arguments: Any, metadata: Mapping[str, str]) -> Hints:
    """Collect what a file says about its network.

    Args:
        arguments: what a checkpoint holds besides weights.
        metadata: words that the format keeps.
    """
    found = [Hint("file name", "file", path.name)]
    found += [Hint("metadata", name, value) for name, value in metadata.items()]
    beside = _read_beside(path)
    of_config = [Hint(_CONFIG, name, value) for name, value in _entries(beside)]
    if other := _other_of(path, of_config):
        beside, left, of_config = {}, of_config, []
    else:
        left = []
    found += of_config
    stored = list(_entries(arguments))
    found += [Hint(_parent(name) or "arguments", _last(name), value) for name, value in stored]
    shares = [Hint("arguments", name, value) for name, value in stored if _last(name) in _SHARES]
    images = beside.get("pretrained_cfg") or beside
    config = images if isinstance(images, Mapping) else {}
    return Hints(_about_networks(found), tuple(shares), config, _about_networks(left), other)


def _about_networks(found: Iterable[Hint]) -> tuple[Hint, ...]:
    about = [h for h in found if h.place == "file name" or _last(h.key) in _NAMES | _DETAILS]
    return tuple(h._replace(key=_last(h.key)) for h in about if h.value is not None)


def _other_of(path: Path, config: Sequence[Hint]) -> str:
    """Return the name of another file that a config.json may belong to, '' if it is this one's.

    It is where it names the file, where the file has the name that hubs give to that of a
    config.json, and where no other weights lie there.
    """
    named = any(Path(str(hint.value)).name == path.name for hint in config)
    if not config or named or path.name.partition(".")[0].lower() in _OF_ITS_FILE:
        return ""
    try:
        beside = list(islice(path.parent.iterdir(), _MAX_FILES))
    except OSError:  # a folder that may not be listed
        return ""
    others = (one.name for one in beside if one.suffix.lower() in _WEIGHTS)
    return min((name for name in others if name != path.name), default="")


def _last(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def _read_beside(path: Path) -> Mapping[str, Any]:
    """Return a config.json in the file's folder, {} where there is none or it says nothing."""
    file = path.with_name(_CONFIG)
    try:
        if not file.is_file() or file.stat().st_size > _MAX_BYTES:
            return {}
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _entries(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yield dotted names and plain values in nested dictionaries, each of which is read once.

    A file may nest one dictionary in itself many times over: what is read is bounded.
    """
    seen: set[int] = set()
    parts: deque[tuple[str, Any, int]] = deque([("", tree, 0)])
    while parts:
        prefix, part, depth = parts.popleft()
        if not isinstance(part, Mapping) or depth > _MAX_DEPTH or id(part) in seen:
            continue
        seen.add(id(part))
        for name, value in islice(part.items(), _MAX_ENTRIES):
            if isinstance(name, str) and isinstance(value, Mapping):
                parts.append((f"{prefix}{name}.", value, depth + 1))
            elif isinstance(name, str) and _is_plain(value):
                yield f"{prefix}{name}", value
            elif isinstance(name, str) and isinstance(value, list | tuple) and len(value) <= 8:
                words = [str(word)[:_MAX_TEXT] for word in value if _is_plain(word)]
                yield f"{prefix}{name}", ", ".join(words)


def _is_plain(value: Any) -> bool:
    """Return whether a value is a word or a number that can be shown."""
    if isinstance(value, int):
        return value.bit_length() <= 64
    return isinstance(value, str | float)
