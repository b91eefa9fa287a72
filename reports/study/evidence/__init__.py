"""The evidence of a report: the question, the runs by arm, their comparisons and their fits, read once."""

from reports.study.evidence.study_evidence import Evidence, read_evidence

__all__ = ["Evidence", "read_evidence"]
