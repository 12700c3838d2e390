"""TensorBoard event files in the run's folder.

They are written again from the start when a run goes on, and that of the outcome whenever it is
told, so that no point is there twice, whatever was written before.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from rtickets.errors import printable
from rtickets.storage import guarded
from rtickets.training.observe.trackers.tracker import Opening, Outcome

FOLDER = "tensorboard"
_OUTCOME = ".outcome"


class EventFile:
    """The event file of one run."""

    def __init__(self, opening: Opening) -> None:
        """Start an empty file in the run's folder, in the place of earlier ones if asked."""
        from tensorboardX import SummaryWriter

        folder = opening.folder / FOLDER
        if opening.again:
            guarded.remove(folder)
        else:
            guarded.check_no_link(folder)
            for path in folder.glob(f"*{_OUTCOME}"):
                guarded.remove(path)
        # Files of one second would have one name, and the second would take the first's place.
        about: dict[str, Any] = (
            {"purge_step": 0} if opening.again else {"filename_suffix": _OUTCOME}
        )
        self._writer = SummaryWriter(str(folder), **about)
        self._config = opening.config

    def write(self, values: Mapping[str, float], step: int, time: float) -> None:
        """Add a point to some curves."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step, walltime=time)

    def finish(self, outcome: Outcome) -> None:
        """Add pictures, and as text the configuration and where page and ticket are."""
        about = {name: printable(path) for name, path in outcome.documents.items()}
        if outcome.ticket is not None:
            about |= {"ticket": printable(outcome.ticket), "sha256": outcome.digest}
        for title, values in (("config", self._config), ("files", about)):
            self._writer.add_text(title, f"<pre>{json.dumps(values, indent=1)}</pre>")
        for name, value in outcome.values.items():
            self._writer.add_scalar(f"result/{name}", value, 0)
        for name, path in outcome.pictures.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._writer.add_image(name, pixels, dataformats="HWC")

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
