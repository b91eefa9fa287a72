"""Finished runs of one study, copied into another that plans the same runs. Nothing is linked."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace

from jobs.record import readable_record, write_record
from planners.study import Study

NOT_COPIED = ("lock", "record.json", "spec.json")
"""Files of a run that belong to its folder; record and spec are written anew, with the labels of the other study."""


def copy_finished(study: Study, other: Study) -> list[str]:
    """Copy the finished runs of `other` that `study` plans and does not have; return their ids.

    Each record says which study it comes from. Simulated, failed and diverged runs are not copied, and a run that has a
    folder here stays as it is. Raises UsageError if `other` holds no study or a link that leaves it.
    """
    other.check_links()
    specs = {spec.run_id: spec for spec in study.runs()}
    copied = []
    for spec in other.runs():
        here = study.run_folder(spec.run_id)
        if spec.run_id not in specs or here.exists():
            continue
        record = readable_record(other, spec)
        if record is None or record.state != "done" or record.is_simulated:
            continue
        here.parent.mkdir(exist_ok=True)
        part = here.with_name(f".{spec.run_id}.{os.getpid()}")  # renamed when it is whole
        shutil.copytree(other.run_folder(spec.run_id), part, ignore=_ignored)
        os.rename(part, here)
        write_record(study, replace(record, spec=specs[spec.run_id], origin=record.origin or str(other.folder)))
        copied.append(spec.run_id)
    return copied


def _ignored(folder: str, names: Iterable[str]) -> set[str]:
    """Return what is not copied: files of the folder's own, unfinished files, and links."""
    own = {name for name in names if name in NOT_COPIED or name.startswith(".")}
    return own | {name for name in names if os.path.islink(os.path.join(folder, name))}
