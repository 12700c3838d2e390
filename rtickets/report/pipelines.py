"""The page of a comparison of pipelines, of the cells that are there."""

import html
from pathlib import Path

from rtickets.report.cells import Words, html_table
from rtickets.report.charts import Chart
from rtickets.report.document import document, figure
from rtickets.report.pipeline_tables import measured, tables_of, titled
from rtickets.report.sections import Section, as_html, navigation
from rtickets.report.style import png
from rtickets.report.trade_off import draw_trade_off, trade_off_chart
from rtickets.restoration.tables import Cells, grouped, markdown
from rtickets.stages.pipelines.settings import PipelineStudyConfig
from rtickets.storage.files import write_bytes, write_text

PAGE, TABLES, PICTURE = "pipelines.html", "pipelines.md", "trade_off.png"


def write_tables(config: PipelineStudyConfig, cells: Cells, folder: Path) -> str:
    """Write the tables of a study into its folder as Markdown, and return them."""
    text = "\n\n".join(map(markdown, tables_of(config, cells)))
    write_text(folder / TABLES, text + "\n")
    return text


def write_page(config: PipelineStudyConfig, cells: Cells, folder: Path) -> Path:
    """Write the page, and the trade-off of all pipelines as a picture beside it."""
    charts: list[Chart] = []
    sections = []
    if measured(cells):
        sections.append(_trade_off(cells, charts))
        write_bytes(folder / PICTURE, png(draw_trade_off(cells)))
    for table in tables_of(config, cells):
        body = html_table(table.head, [[Words(row[0]), *row[1:]] for row in table.rows])
        note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
        sections.append(Section(table.title, [], note + body, short=table.name))
    body = f"<h1>{html.escape(config.name)}</h1>\n<p>{html.escape(_about(config))}</p>\n"
    body += navigation(sections) + as_html(sections)
    write_text(folder / PAGE, document(config.name, body, charts))
    return folder / PAGE


def _about(config: PipelineStudyConfig) -> str:
    seeds, train = ", ".join(map(str, config.seeds)), config.train
    return (
        f"{config.model.arch}; {', '.join(config.tasks)}; seeds {seeds}. Runs of {train.duration}, "
        f"batch {train.batch_size}; retraining {config.retrain.duration}, transfer "
        f"{config.transfer.duration}. Penalty {config.searching.penalty:g}, coming back "
        f"{config.searching.reactivation!r} unless the pipeline says otherwise."
    )


def _trade_off(cells: Cells, charts: list[Chart]) -> Section:
    body = []
    for place, some in grouped(measured(cells), "task", "target").items():
        charts.append(trade_off_chart(place, some))
        title = html.escape(titled(*place))
        body.append(f"<div><h3>{title}</h3>{figure(len(charts) - 1)}</div>")
    panels = f'<div class="panels">{"".join(body)}</div>'
    facts = [("what", "mean over seeds, bars of one standard deviation; multiply-adds are exact")]
    return Section("Trade-off", facts, panels, short="trade-off")
