"""Reports: the answer of a study with its checks, figures and tables, as a page and as files."""

from typing import TYPE_CHECKING, Any

from reports.page.write_page import Report

if TYPE_CHECKING:
    from reports.study.write_report import write_report

__all__ = ["Report", "write_report"]


def __getattr__(name: str) -> Any:
    if name != "write_report":
        raise AttributeError(f"module 'reports' has no attribute {name!r}")
    from reports.study.write_report import write_report  # imports numpy, which `--help` does not need

    return write_report
