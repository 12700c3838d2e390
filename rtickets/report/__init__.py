"""Reports: of a study, curves, tables, an HTML page and a short table; of an evaluation, a page."""

from rtickets.report.evaluation import evaluation_lines, write_evaluation
from rtickets.report.figures import write_pdfs
from rtickets.report.study import Study, load_study, read
from rtickets.report.write import show_report, write_report

__all__ = [
    "Study",
    "evaluation_lines",
    "load_study",
    "read",
    "show_report",
    "write_evaluation",
    "write_pdfs",
    "write_report",
]
