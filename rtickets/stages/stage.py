"""What a stage is to those who run one: the command line, dry runs, studies.

A stage is a pure function of a configuration and, if it starts from one, a ticket. It leaves one
folder behind (`rtickets.runs.folders.run_once`). Everything else that is said about it here follows
from its configuration, so that nobody who runs stages knows a single one of them.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rtickets.costs import Estimate, Setting
from rtickets.platform.parallel import Devices
from rtickets.runs.folders import RunFolder

Run = Callable[[Any, Any, Path, str, Devices], RunFolder]


class Stage(NamedTuple):
    """A stage.

    Attributes:
        config: the class of its configuration. A stage that starts from a ticket has the field
            `ticket`; such a stage is run with that ticket, others with None.
        run: (configuration, `StartingTicket` or None, workdir, name, devices) -> the complete
            folder. Run folders lie in the workdir, and `name` is the readable part of the name of
            this one; it computes on the devices.
        name: (configuration) -> the readable part of the folder's name, where no other is given.
        estimate: (configuration, setting) -> what it would take, without doing it. It raises
            InputError for what cannot run, such as a batch larger than its data, and for data that
            has to be read and cannot be.
    """

    config: type
    run: Run
    name: Callable[[Any], str]
    estimate: Callable[[Any, Setting], list[Estimate]]

    @property
    def from_ticket(self) -> bool:
        """Whether it starts from a ticket."""
        return "ticket" in {field.name for field in dataclasses.fields(self.config)}
