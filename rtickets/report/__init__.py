"""The report of a study: curves, tables, one HTML page, and a short table on the terminal."""

from rtickets.report.write import show_report, write_report

__all__ = ["show_report", "write_report"]
