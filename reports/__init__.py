"""What a person reads: the answer, its checks, figures and tables of a study, as a page and as files."""

from reports.study.write_report import Report, write_report

__all__ = ["Report", "write_report"]
