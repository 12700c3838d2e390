"""What identifies a run: a digest of its configuration and inputs."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rtickets.data.text.settings import TextConfig
from rtickets.errors import InputError
from rtickets.settings.config_files import replace_everywhere, to_dict, to_paths
from rtickets.storage import guarded
from rtickets.training.observe.settings import ObserveConfig
from rtickets.training.settings import TrainConfig

_DIGEST = re.compile(r"[0-9a-f]{10}")
_NOT_COUNTED = {
    "ticket": None,
    "mask": None,
    "masks": (),
    "checkpoint_every": TrainConfig.checkpoint_every,
    "keep_checkpoints": TrainConfig.keep_checkpoints,
    "keep_best_checkpoints": TrainConfig.keep_best_checkpoints,
    "steps_per_dispatch": None,
    "observe": ObserveConfig(),
    "workers": None,
    "path": None,
    "tokenizer": TextConfig.tokenizer,
    "together": None,
}


def digest(config: Any, *upstream: str) -> str:
    """Return the name of a configuration: a hash of what differs from the defaults, 10 hex digits.

    Fields with their default value do not count, so adding a field with a default leaves existing
    runs their names. Fields that cannot change a result do not count either: `ticket`, `mask`,
    `masks`, `path` and `tokenizer`, which say where an input lies (inputs count by their own
    digests, `upstream`), and those about checkpoints, dispatches, observation, workers and how many
    tickets are trained at once.
    """
    values = to_dict(replace_everywhere(config, _NOT_COUNTED), exclude_defaults=True)
    text = json.dumps([type(config).__name__, values, upstream], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def of_contents(description: Mapping[str, Any]) -> str:
    """Return what identifies a ticket that no run of ours vouches for: its contents."""
    contents = json.dumps(description, sort_keys=True)
    return hashlib.sha256(contents.encode()).hexdigest()[:10]


def digest_in(file: Path) -> str:
    """Return the digest that the mark of a complete run holds."""
    found = guarded.read_bytes(file).decode(errors="replace").strip()
    if not _DIGEST.fullmatch(found):
        raise InputError(f"{file} is damaged: {found!r:.60} is no digest of a run")
    return found


def _what_counts(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {name: _what_counts(v) for name, v in values.items() if name not in _NOT_COUNTED}


def changed_fields(config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Compare a configuration with what JSON holds of an earlier one of the same digest.

    They differ where a default has changed since, for the digest does not see defaults. Fields that
    the stored one lacks are new and do not count. A line is 'field=now, then=before'.
    """
    now = to_paths(json.loads(json.dumps(_what_counts(config))))
    then = to_paths(_what_counts(stored))
    return [
        f"{path}={value!r}, then {then[path]!r}"
        for path, value in now.items()
        if path in then and then[path] != value
    ]
