"""Reports: the answer of a study with its checks, figures and tables, as a page and as files."""

from reports.page.write_page import Report
from reports.study.write_report import write_report

__all__ = ["Report", "write_report"]
