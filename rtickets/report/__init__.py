"""Reports: of a study, curves, tables, an HTML page and a short table; of an evaluation, a page."""

from rtickets.report.evaluation import evaluation_lines, write_evaluation
from rtickets.report.write import show_report, write_report

__all__ = ["evaluation_lines", "show_report", "write_evaluation", "write_report"]
