"""The Python API, loaded when it is used: `from scaling import make_plan, read_runs, fit_law, write_report`."""

from importlib import import_module
from typing import Any

_API = {
    "GivenArm": "planners.question",
    "Question": "planners.question",
    "Shape": "planners.shape",
    "Study": "planners.study",
    "UsageError": "planners.errors",
    "Varied": "planners.vary",
    "flops_by_part": "planners.flops",
    "flops_per_token": "planners.flops",
    "from_hf": "planners.formats",
    "to_hf": "planners.formats",
    "make_plan": "planners.grid",
    "preset": "planners.presets",
    "read_records": "jobs.record",
    "prepare": "jobs.corpora",
    "fit_law": "fits",
    "compare_laws": "fits.compare:compare",
    "fits_frame": "fits.frames:frame",
    "reuse": "fits.reuse",
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
