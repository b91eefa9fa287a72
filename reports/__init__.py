"""What a person reads: the answer, its checks, figures and tables of a study, as a page and as files."""

from reports.page.write_page import Report
from reports.study.write_report import write_report

__all__ = ["Report", "write_report"]
