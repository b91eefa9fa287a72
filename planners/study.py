"""The study folder: the path of each file of a study, and the plan in it."""

import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from planners.forecast import StoredForecast
from planners.grid import Plan
from planners.matching.arm import Refusal
from planners.question import Question
from planners.records.errors import UsageError
from planners.records.files import jsonl_text, read_json, read_jsonl, write_json, write_text
from planners.records.json import bytes_hash, from_json, to_json
from planners.spec import RunSpec
from planners.widening import covers, differences


@dataclass(frozen=True, kw_only=True)
class PlanSum:
    """What `plan.jsonl` must hold: a plan that was cut, doubled or edited is refused."""

    runs: int
    """Number of planned runs."""
    sha256: str
    """First 16 hexadecimal digits of the sha256 of the file."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The content of `study.json`: the question, and the planner's answer apart from the runs."""

    question: Question
    """The question."""
    refused: tuple[Refusal, ...]
    """Cells that could not be planned."""
    notes: tuple[str, ...]
    """Sentences on what the plan can and cannot identify."""
    command: str | None = None
    """The command that planned it, without its folder; null where Python planned it."""
    verb: str = "plan"
    """Which command that was: `plan`, or `study`, which also trains, fits and reports."""
    widened: tuple[str, ...] = ()
    """The commands that widened it later, in their order, without its folder."""
    plan: PlanSum | None = None
    """Length and hash of the plan; null in studies of older versions, until the next sweep adds them."""
    id: str | None = None
    """Random id of the study, part of the names of its jobs; a sweep gives a copied or moved study another one."""


class Study:
    """A study on disk. Reading raises UsageError where a file is missing, torn or edited.

    A study is path-like: `Study(study)` is the same study, and `Path(study)` is its folder.
    """

    def __init__(self, folder: "str | os.PathLike[str]"):
        if not os.fspath(folder):
            raise UsageError("the folder of the study is an empty text; name a folder, such as studies/x")
        self.folder = Path(folder)
        self.question_path = self.folder / "study.json"
        self.plan_path = self.folder / "plan.jsonl"
        self.forecast_path = self.folder / "forecast.json"
        self.runs_csv = self.folder / "runs.csv"
        self.fits = self.folder / "fits"
        self.report = self.folder / "report"
        self.cluster = self.folder / "cluster"
        """Folder of the cluster's logs, never read as data."""

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        return f"Study({str(self.folder)!r})"

    def run_folder(self, run_id: str) -> Path:
        """runs/<run_id>"""
        return self.folder / "runs" / run_id

    def make_run_folder(self, run_id: str) -> Path:
        """Make and return the folder of a run. Raises FileNotFoundError if the study itself was moved or removed."""
        folder = self.run_folder(run_id)
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        return folder

    def check_links(self) -> None:
        """Raise UsageError for a symbolic link that leaves the study: whatever is written would go through it."""
        folders = [self.folder, self.fits, self.report, self.cluster, self.folder / "runs"]
        folders += [self.folder / "runs" / entry.name for entry in _entries(self.folder / "runs")]
        inside = f"{self.folder.resolve()}{os.sep}"
        for entry in (entry for folder in folders for entry in _entries(folder) if entry.is_symlink()):
            if not os.path.realpath(entry.path).startswith(inside):
                raise UsageError(f"{entry.path} is a symbolic link that leaves the study; remove it or copy its target")

    def holds(self, question: Question) -> bool:
        """Return whether the folder holds the plan for `question`, perhaps with further runs.

        Raises UsageError where it holds another question, unless `question` widens that one.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file; choose another folder for the study")
        if not self.question_path.is_file():
            if self.plan_path.exists() or (self.folder / "runs").exists():
                raise UsageError(
                    f"{self.folder} holds a plan or runs but no study.json; restore that file or choose another folder"
                )
            return False
        held = self.asked().question
        if covers(held, question):
            return self.plan_path.is_file()
        if covers(question, held):
            return False
        raise UsageError(
            f"{self.folder} holds another question (held against asked: {differences(held, question)}); a study grows"
            " by more values next to those that it holds, so give both, or choose another folder"
        )

    def write(self, plan: Plan, command: str | None = None, verb: str = "plan") -> bool:
        """Write question and plan; return False where the folder holds these runs already, perhaps with others.

        A plan that holds all runs of the folder's plan, and more, widens it. `command` is the command that planned it,
        without the folder. Raises UsageError, and changes nothing, where the folder holds another question, or where
        runs that it holds would be lost.
        """
        holds = self.holds(plan.question)
        before = self.asked() if self.plan_path.is_file() else None
        held, now = ({run.run_id for run in runs} for runs in (self.runs() if before else (), plan.runs))
        if lost := (now - held) if holds else (held - now):
            raise UsageError(
                f"{self.folder} holds {len(held)} runs, of which the plan would change {len(lost)}: it was planned with"
                " another corpus (or version of this toolkit), or the new values change the shapes or the seeds of the"
                " old ones; plan in another folder, or add single arms with --add"
            )
        if holds:
            return False
        text = jsonl_text(run.to_line() for run in plan.runs)
        asked = Asked(
            question=plan.question,
            refused=plan.refused,
            notes=plan.notes,
            command=before.command if before else command,
            verb=before.verb if before else verb,
            widened=(*before.widened, *filter(None, [command])) if before else (),
            plan=PlanSum(runs=len(plan.runs), sha256=bytes_hash(text.encode())),
            id=self.id() or _new_id(),
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.question_path, to_json(asked))  # first: a plan without it is refused
        write_text(self.plan_path, text)
        return True

    def write_forecast(self, forecast: StoredForecast) -> None:
        """Keep a forecast; it replaces an earlier one and changes no run."""
        write_json(self.forecast_path, to_json(forecast))

    def forecast(self) -> StoredForecast | None:
        """Return the forecast that the study keeps, or None."""
        if not self.forecast_path.is_file():
            return None
        return from_json(StoredForecast, read_json(self.forecast_path), str(self.forecast_path))

    def asked(self) -> Asked:
        """Return the question, and the planner's answer apart from the runs."""
        return from_json(Asked, read_json(self.question_path), str(self.question_path))

    def id(self) -> str | None:
        """Return the id of the study; None in a study of an older version and without `study.json`."""
        return self.asked().id if self.question_path.is_file() else None

    def runs(self) -> list[RunSpec]:
        """Return the planned runs in their order."""
        if not self.folder.is_dir():
            raise UsageError(f"{self.folder} holds no study; plan one with: python -m scaling.plan … -o {self.folder}")
        lines, torn = read_jsonl(self.plan_path)
        if torn or not lines:
            raise UsageError(f"{self.plan_path} is {'torn' if torn else 'empty'}; remove it and plan the study again")
        self._check_plan(len(lines))
        return [RunSpec.read(line, f"{self.plan_path} line {number}") for number, line in enumerate(lines, 1)]

    def seal(self, *, is_copy: bool = False) -> bool:
        """Add to `study.json` of an older version the id, and length and hash of the plan; give a copy a new id.

        Return whether that was needed.
        """
        asked = self.asked()
        found = asked.plan or PlanSum(runs=len(self.runs()), sha256=bytes_hash(self.plan_path.read_bytes()))
        sealed = replace(asked, plan=found, id=_new_id() if is_copy or asked.id is None else asked.id)
        if sealed != asked:
            write_json(self.question_path, to_json(sealed))
        return sealed != asked

    def _check_plan(self, count: int) -> None:
        """Raise UsageError where `plan.jsonl`, of `count` lines, is not the plan that `study.json` speaks of."""
        expected = self.asked().plan if self.question_path.exists() else None
        if expected and bytes_hash(self.plan_path.read_bytes()) != expected.sha256:
            found = f"has {count} runs, but {expected.runs} were planned" if count != expected.runs else "was edited"
            again = f"restore it, or move it away and plan again with the same command and -o {self.folder}"
            raise UsageError(f"{self.plan_path} {found}; {again}")


def _new_id() -> str:
    return uuid.uuid4().hex[:8]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return the entries of a folder, none for one that is missing or not a folder."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
