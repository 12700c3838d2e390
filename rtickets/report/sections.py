"""Parts of a page: what each is of, and how they are put together."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rtickets.report.cell_table import link
from rtickets.report.charts import Chart
from rtickets.report.facts import Facts, facts_list, study_facts, without


class Context(NamedTuple):
    """What all parts of a study's page are about.

    Attributes:
        config: the study's configuration, as JSON holds it.
        result: the study's, with its cells and source networks.
        environments: versions, devices and settings that took part.
        date: when the study ended.
        charts: what the script draws, in order; parts append theirs.
        gap_notes: see `rtickets.stages.gap_reading.gap_notes`.
    """

    config: Mapping[str, Any]
    result: Mapping[str, Any]
    environments: Sequence[Mapping[str, Any]]
    date: str
    charts: list[Chart]
    gap_notes: Sequence[str] = ()

    def facts(self, metric: str | None = None) -> Facts:
        """Return what holds of the numbers of a metric, or of all, see `study_facts`."""
        return study_facts(self.config, self.result, self.environments, self.date, metric)

    def shared_facts(self) -> Facts:
        """Return what holds of numbers that say themselves on how many examples they are, and how.

        It is also for what was not measured on any.
        """
        return without(self.facts(), "examples", "threat")


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        heading: its title.
        facts: what holds of its numbers.
        body: HTML.
        kind: its class, for the script.
        short: what the navigation calls it, where not by its heading.
    """

    heading: str
    facts: Facts
    body: str
    kind: str = ""
    short: str = ""


def as_html(sections: Sequence[Section]) -> str:
    """Return all sections."""
    return "\n".join(map(_section, range(len(sections)), sections))


def _section(place: int, section: Section) -> str:
    kind = f' class="{section.kind}"' if section.kind else ""
    return (
        f'<section id="s{place}"{kind}>\n<h2>{html.escape(section.heading)}</h2>\n'
        f"{facts_list(section.facts) if section.facts else ''}\n{section.body}\n</section>"
    )


def navigation(sections: Sequence[Section]) -> str:
    """Return links to all sections."""
    links = [link(f"#s{place}", one.short or one.heading) for place, one in enumerate(sections)]
    return f'<nav aria-label="sections"><div>{" ".join(links)}</div></nav>'
