"""Reports: of a study, curves, tables, an HTML page and a short table; of an evaluation, a page."""

from rtickets.report.evaluation import evaluation_lines, write_evaluation
from rtickets.report.study import Study, load_study
from rtickets.report.write import show_report, write_report

__all__ = [
    "Study",
    "evaluation_lines",
    "load_study",
    "show_report",
    "write_evaluation",
    "write_report",
]
