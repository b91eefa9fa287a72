"""The Python API, loaded when it is used: `from scaling import make_plan, read_runs, fit_law, write_report`."""

from importlib import import_module
from typing import Any

_API = {
    "GivenArm": "planners.question",
    "Question": "planners.question",
    "Shape": "planners.architecture.shape",
    "Study": "planners.study",
    "UsageError": "planners.records.errors",
    "Varied": "planners.varied_fields",
    "flops_by_part": "planners.architecture.flops",
    "flops_per_token": "planners.architecture.flops",
    "from_hf": "planners.formats",
    "to_hf": "planners.formats",
    "make_plan": "planners.grid",
    "preset": "planners.presets",
    "read_records": "jobs.record",
    "prepare": "jobs.corpora",
    "fit_law": "fits",
    "compare_laws": "fits.compare.laws:compare",
    "fit_study": "fits",
    "reuse": "fits.repeats.reuse",
    "check_table": "fits.checks",
    "read_runs": "fits:read_table",
    "constancy": "fits",
    "curve": "fits",
    "write_report": "reports",
}

__all__ = sorted(_API)


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'scaling' has no attribute {name!r}")
    module, _, attribute = _API[name].partition(":")
    return getattr(import_module(module), attribute or name)
