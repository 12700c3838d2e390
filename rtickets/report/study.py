"""A finished study as an object: its cells, what was measured of each, statistics and figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure

from rtickets.errors import InputError, printable
from rtickets.platform.short_html import short_table
from rtickets.platform.short_repr import with_short_repr
from rtickets.report.cells import with_interval
from rtickets.report.computed import study_environments
from rtickets.report.csv_lines import COLUMNS, lines_of
from rtickets.report.facts import ended, study_facts
from rtickets.report.figures import figures_of
from rtickets.report.gap_scatter import clean_readings, draw_gaps
from rtickets.report.latex import latex_tables
from rtickets.report.over_seeds import CLEAN, further_of, metrics_of, rows
from rtickets.runs.folders import RunFolder, bring_runs, run_at
from rtickets.runs.names import find_run
from rtickets.settings import config_files
from rtickets.stages.points import DENSE, ticket_words
from rtickets.stages.results import headline_of, read_study, read_study_config
from rtickets.stages.study_settings import StudyConfig
from rtickets.storage import workdirs
from rtickets.tasks import units

if TYPE_CHECKING:
    import pandas


class Value(NamedTuple):
    """What was measured of one network.

    Attributes:
        name: what it is, such as 'accuracy under pgd'.
        value: the number; a share of a whole lies in [0, 1].
        low: where its 95% interval over examples begins.
        high: where it ends.
        unit: 'share', '' for a number without one, or a unit.
        higher_is_better: None where neither is.
        examples: how many it was measured on, None where the result does not say.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    higher_is_better: bool | None
    examples: int | None

    def __str__(self) -> str:
        """Return name, value and interval with the unit."""
        shown = with_interval(self._asdict())
        return f"{printable(self.name)} {shown} {'%' if self.unit == units.SHARE else self.unit}"


@with_short_repr
@dataclass(frozen=True)
class StudyCell:
    """One network of a study and what was measured of it.

    Attributes:
        seed: of the whole chain.
        objective: label of the pretraining objective.
        draw: label of the way of drawing; 'dense' where nothing was drawn.
        sparsity: removed fraction of the prunable weights.
        transfer: label of the downstream run; None of a source network, on its own task.
        ticket: the run folder that holds the ticket, None where the study does not say; it need not
            be there any more.
        values: by name: 'clean' is the headline, an attack's label the headline under it.
    """

    seed: int
    objective: str
    draw: str
    sparsity: float
    transfer: str | None
    ticket: Path | None
    values: Mapping[str, Value]

    @property
    def remaining(self) -> float:
        """The fraction of the prunable weights that is left."""
        return 1 - self.sparsity

    @property
    def name(self) -> str:
        """Which network it is, in words."""
        ticket = ticket_words(self.draw, self.sparsity)
        return f"{self.objective}, {ticket}, {self.transfer or 'source task'}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        path: its run folder.
        config: what was asked for.
        result: as it is stored.
    """

    path: Path
    config: StudyConfig
    result: Mapping[str, Any]

    @cached_property
    def cells(self) -> tuple[StudyCell, ...]:
        """The cells that were measured, in the order of the grid."""
        return tuple(_cell(one, self.path.parent) for one in self.result["cells"])

    @cached_property
    def sources(self) -> tuple[StudyCell, ...]:
        """The pretrained networks, measured on their own task."""
        return tuple(_cell(one, self.path.parent) for one in self.result["sources"])

    @property
    def failed(self) -> tuple[Mapping[str, Any], ...]:
        """What could not be measured, with the reason; it is in no mean."""
        return tuple(self.result.get("failed", ()))

    @cached_property
    def environments(self) -> list[dict[str, Any]]:
        """Versions, commit and device that it and the stages before it were computed with."""
        return study_environments(self.path, self.result)

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """Means, deviations and gains with intervals, a dictionary per point of every curve."""
        of_study = self.result["cells"], self.config.baseline
        known = self.result.get("gains"), len(self.config.seeds)
        return [*rows(*of_study, metrics_of, *known), *rows(*of_study, further_of, *known)]

    def figures(self) -> dict[str, Figure]:
        """Return matplotlib figures by name, see `rtickets.report.figures`, of gaps 'gaps'."""
        figures = figures_of(self.result["cells"], self.config)
        if readings := clean_readings(self.result):
            figures["gaps"] = draw_gaps(readings, headline_of(self.result["cells"][0]).unit)
        return figures

    def to_latex(self) -> str:
        """Return a table for every measure and transfer, for papers, with its gains.

        Measures that are one of many alike are left to the CSV.
        """
        table = [row for row in self.points if not row["detail"]]
        settings, date = config_files.to_dict(self.config), ended(self.path)
        about = settings, self.result, self.environments, date
        kinds = dict.fromkeys((row["metric"], row["transfer"]) for row in table)
        facts = {kind: study_facts(*about, *kind) for kind in kinds}
        return latex_tables(table, self.config.baseline, facts)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a data frame of a line a cell and measure, the columns of `results.csv`.

        Raises:
            InputError: if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise InputError(
                "to_pandas needs pandas, which is not installed; pip install pandas"
            ) from None
        return pandas.DataFrame(lines_of(self.result["cells"]), columns=list(COLUMNS))

    def __repr__(self) -> str:
        """Return name and size in a line."""
        counted = f"{len(self.cells)} cells, {len(self.config.seeds)} seeds"
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"Study({printable(self.config.name)}: {counted}{failed}, {printable(self.path)})"

    def _repr_html_(self) -> str:
        """Return a short table of the headline of the first cells, for notebooks."""
        head = ("seed", "objective", "draw", "remaining", "transfer", "headline")
        rows = [
            (cell.seed, cell.objective, cell.draw, f"{100 * cell.remaining:g}%", cell.transfer,
             cell.values[CLEAN])
            for cell in self.cells
        ]  # fmt: skip
        return short_table(repr(self), head, rows)


def load_study(path: str | Path, workdir: str | Path = "runs") -> Study:
    """Read a finished study; nothing is written or executed.

    Args:
        path: its run folder, 'latest:PREFIX' or a pattern, see `rtickets.runs.names.find_run`.
        workdir: where the folder of a prefix or pattern is looked for; as text also s3://... or
            gs://...

    Raises:
        InputError: if there is none, it is not complete, or its files are damaged.
    """
    study = run_at(find_run(str(path), workdirs.open_workdir(workdir)), "study")
    bring_runs(study)
    return read(study)


def read(folder: RunFolder) -> Study:
    """Return the study of a complete run folder."""
    return Study(folder.path, read_study_config(folder), read_study(folder))


def _cell(one: Mapping[str, Any], workdir: Path) -> StudyCell:
    return StudyCell(
        seed=one["seed"],
        objective=one["objective"],
        draw=one.get("draw", DENSE),
        sparsity=one.get("sparsity", 0.0),
        transfer=one.get("transfer"),
        ticket=workdir / one["ticket"] if "ticket" in one else None,
        values={
            name: _value(found) for name, found in {**metrics_of(one), **further_of(one)}.items()
        },
    )


def _value(found: Mapping[str, Any]) -> Value:
    names = (name for name in Value._fields if name not in ("name", "examples"))
    known = {name: found[name] for name in names}
    return Value(name=found["title"], examples=found.get("examples"), **known)
