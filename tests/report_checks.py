"""What the checks of a report say of a study, for tests."""

from planners import Study
from reports.study.evidence import read_evidence
from reports.study.study_checks import run_checks


def verdicts(study: Study) -> dict[str, str]:
    """Return the verdict of each check by its name."""
    return {check.name: check.verdict for check in run_checks(read_evidence(study))}


def evidence_of(study: Study, name: str) -> str:
    """Return the evidence of one check."""
    return next(check.evidence for check in run_checks(read_evidence(study)) if check.name == name)
