"""Reports: the answer of a study with its checks, figures and tables, as a page and as files."""

from typing import TYPE_CHECKING

from planners.records.lazy_names import lazy_names

if TYPE_CHECKING:
    from reports.page.write_page import Report as Report
    from reports.study.write_report import write_report as write_report

__getattr__, __dir__, __all__ = lazy_names(
    "reports", {"reports.page.write_page": "Report", "reports.study.write_report": "write_report"}
)
