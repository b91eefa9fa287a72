"""The Python API: plan, train, fit and report a study, or fit any table of runs.

The functions here accept paths, studies and DataFrames; the work is done in the rooms that they import when they are
called, so that `import scaling` is quick. Each of them raises `UsageError`, whose text says what is wrong and what to
do, for a mistake of the caller.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

import planners
from planners import Corpus, Plan, Question, Study, UsageError, preset

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from pandas import DataFrame

    from fits import FitOptions, FitResult, RunTable, StudyFits
    from fits.compare.laws import Comparison
    from jobs.sweep.cluster import Cluster
    from jobs.sweep.until_done import SweepResult
    from jobs.sweep.wait import SweepProgress
    from reports import Report
    from reports.runs.runs_report import RunsReport

    Place: TypeAlias = str | os.PathLike[str]
    """A path, or a Study, which stands for its folder."""
    Runs: TypeAlias = RunTable | DataFrame | Iterable[Mapping[str, Any]] | Place
    """Runs to fit: a table, a DataFrame, one mapping a run, a file, or a study (its folder)."""


def make_plan(question: Question | str, *, corpus: Corpus | None = None) -> Plan:
    """Return the runs that answer `question`, matched as it asks, and the cells that cannot be planned.

    `question` is a Question or the name of a preset. `corpus` is what the planner must know of the training data; by
    default the corpus that the question names is read (and downloaded) for it. `Study(folder).write(plan)` keeps the
    plan. Raises UsageError if nothing can be planned or the corpus cannot be read.

    >>> asked = Question(study="mine", total_params=3e6, budgets=(1e15,), activations=(1, 0.5, 0.2))
    >>> plan = make_plan(asked)
    >>> plan
    <Plan mine: 3 runs, 0 refused>
    >>> [(run.arm, run.N, round(run.r_a, 3)) for run in plan.runs]
    [('dense', 3000064, 1.0), ('K19', 2997888, 0.508), ('K4', 3001728, 0.202)]
    >>> Study("studies/mine").write(plan)
    True
    """
    asked = preset(question) if isinstance(question, str) else question
    others: dict[str, Corpus] = {}
    if asked.corpora:
        from jobs.corpora import describe

        try:
            others = {name: describe(name) for name in asked.corpora if corpus is None or name != asked.data}
        except UsageError as error:
            raise UsageError(f"{error}; scaling.plan --data none plans without a corpus") from error
    return planners.make_plan(asked, corpus or others.get(asked.data or ""), others)


def sweep_study(
    study: "Place",
    cluster: "Cluster | None" = None,
    *,
    wait: bool | None = None,
    retry: bool = False,
    watch: "Callable[[SweepProgress], None]" = lambda now: None,
    say: Callable[[str], None] = lambda text: None,
) -> "SweepResult":
    """Train the runs of `study` that have no record yet, and return what was submitted and what was withheld.

    `cluster` says where (default: processes of this machine). `wait` says whether to stay until the jobs end (default:
    on this machine yes, on Slurm no). `retry` also trains failed runs again. `watch` is called with the progress every
    half second or more, `say` with single sentences. Raises UsageError if the study does not exist or a package
    for training is not installed. An interrupt stops local workers at a checkpoint; the next call continues from there.

    >>> Study("studies/smoke").write(make_plan("smoke"))  # doctest: +SKIP
    >>> sweep_study("studies/smoke", say=print)  # doctest: +SKIP
    >>> fit_study("studies/smoke")  # doctest: +SKIP
    """
    from jobs.sweep.cluster import Cluster
    from jobs.sweep.until_done import train_until_done

    return train_until_done(Study(study), cluster or Cluster(), wait=wait, retry=retry, watch=watch, say=say)


def read_runs(
    runs: "Runs",
    columns: Mapping[str, str] | None = None,
    *,
    laws: Sequence[str] = (),
    source: str | None = None,
    unit: str | None = None,
) -> "RunTable":
    """Return a table of runs for the fits, with the rows that were set aside and why.

    `runs` is a CSV, JSON, Parquet, Excel or Markdown file, a folder of logs, a DataFrame, one mapping a run, or a study
    or its folder. It needs the column `loss` and the columns of the law: N, D, C, r_a, ... `columns` maps our names
    to those of the file or to formulas of them: `{"D": "tokens_b*1e9", "loss": "ln(ppl)"}`. `source` names the trainer
    or logger that wrote the runs (`fits.runs.sources.SOURCES`), `unit` that of the loss: nats, bits, bpb or bpc. With
    `laws`, the columns that these need must be there. A table that was read already is returned as it is. Raises
    UsageError for a file that cannot be read, a missing column, a loss that is not a positive number, and for units
    that cannot be right.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"params_m": [50, 100], "D": [1e9, 2e9], "loss": [3.3, 3.1]})
    >>> read_runs(frame, {"N": "params_m*1e6"}).numbers("N")
    array([5.e+07, 1.e+08])
    >>> len(read_runs("results/laptop"))
    27
    """
    from fits import read_table
    from fits.fit import needed

    if isinstance(runs, Study) or (isinstance(runs, str | os.PathLike) and (Path(runs) / "study.json").is_file()):
        from scaling.study_table import runs_of

        if columns:
            raise UsageError(f"{os.fspath(runs)} is a study, which needs no columns; drop them")
        return runs_of(Study(runs))
    place = Path(runs) if isinstance(runs, os.PathLike) else runs
    return read_table(place, columns, needs=needed(laws), source=source, unit=unit)


def fit_law(runs: "Runs", law: str, **options: "Unpack[FitOptions]") -> "FitResult":
    """Return the fit of one law, with 95 % intervals, to all of `runs`.

    `law` is a name in `fits.LAWS`: a curve of the loss against r_a, such as "cubic", which takes the runs of one
    series (one budget), or a law of several columns, such as "chinchilla". The options are those of
    `fits.FitOptions`: `margin` (nats), `delta` (width of the Huber loss in ln L), `bootstrap` (number of draws),
    `fixed`, `of`, `resampling`, `seed`. What the runs do not determine is a status of the result and not an error.
    Raises UsageError for an unknown law and for a missing column.

    >>> fit = fit_law(read_runs("results/laptop").where("epochs<=1"), "cubic", margin=0.01)
    >>> fit
    <FitResult cubic: n=15, converged, r_a*=0.1574>
    """
    from fits import fit_law

    return fit_law(read_runs(runs, laws=[law]), law, **options)


def fit_study(
    runs: "Runs",
    laws: Sequence[str] = (),
    *,
    folder: "Place | None" = None,
    slope: float | None = None,
    at: Sequence[Mapping[str, float]] = (),
    **options: "Unpack[FitOptions]",
) -> "StudyFits":
    """Return every fit and finding: each law on each series, how laws compare, whether r_a* moves, what reuse costs.

    `laws` are names in `fits.LAWS` (default: the cubic, or the quadratic if a series has fewer than 5 rates). A study
    is fitted with the margin that it fixed, and the fits are written to its `fits` folder; fits of other runs are
    written to `folder`, if one is given. `slope` is the nats that one unit of ln D takes off the loss, for the
    half-life of repeated data. `at` are targets, such as `{"C": 1e21}`, for which laws of several columns predict. The
    other options are those of `fit_law`. Raises UsageError as `fit_law` does, and for
    a margin other than the one that the study fixed.

    >>> found = fit_study("results/laptop", ["cubic", "quadratic"])
    >>> [fit.law for fit in found.fits]
    ['cubic', 'quadratic']
    >>> found.to_frame().columns.tolist()
    ['law', 'series', 'data', 'n', 'name', 'value', 'lo', 'hi', 'status']
    """
    from fits import fit_study

    if isinstance(runs, str | os.PathLike) and (isinstance(runs, Study) or Path(runs).is_dir()):
        from scaling.study_table import margin_of

        study = Study(runs)
        folder = folder or study.fits
        options["margin"] = margin_of(study, options.get("margin"))
    return fit_study(
        read_runs(runs), laws, folder=None if folder is None else Path(folder), slope=slope, at=at, **options
    )


def predict(fit: "FitResult", at: "Mapping[str, ArrayLike] | DataFrame") -> "DataFrame":
    """Return what `fit`, of a law of several columns, predicts at m targets: a row for each, with 95 % intervals.

    `at` holds N, D, C, r_a, ... as numbers, arrays of shape (m,), or a DataFrame. N and D give the loss of a run, C
    alone the compute-optimal N, D and D / N, and N and C of a law with r_a the best rate. The columns of the result are
    those of `at`, then for each predicted number its value, `_lo` and `_hi` (prediction intervals, NaN without
    bootstrap draws), then `beyond`, the largest factor by which C, N, D or r_a lies outside the runs.
    `fit.predict(...)` returns one of them with the parts of its interval. Raises UsageError as it does.

    >>> sizes = [(N, D) for N in (5e7, 1e8, 4e8) for D in (1e9, 4e9, 2e10)]
    >>> rows = [{"N": N, "D": D, "loss": 1.8 + 480 / N**0.35 + 2000 / D**0.37} for N, D in sizes]
    >>> fit = fit_law(rows, "chinchilla", bootstrap=0)
    >>> predict(fit, {"N": 1e9, "D": [2e10, 4e10]})[["loss", "beyond"]].round(3)
        loss  beyond
    0  2.449     2.5
    1  2.379     5.0
    """
    import numpy as np
    import pandas as pd

    targets = {str(name): np.atleast_1d(np.asarray(values, float)) for name, values in at.items()}
    rows = []
    for row in zip(*(each.tolist() for each in np.broadcast_arrays(*targets.values())), strict=True):
        given = dict(zip(targets, row, strict=True))
        found = fit.predict(**given)
        numbers = {
            f"{one.of}{end}": value
            for one in found.values
            for end, value in (("", one.value), ("_lo", one.lo), ("_hi", one.hi))
        }
        rows.append({**given, **numbers, "beyond": max(found.beyond.values(), default=1.0)})
    return pd.DataFrame(rows).astype(float)


def compare_laws(runs: "Runs", laws: Sequence[str]) -> "Comparison":
    """Return how well `laws` describe the same runs: AICc on all of them, and errors on held-out groups.

    The laws are all curves of r_a, on the runs of one series, or all laws of the loss. Raises UsageError for a mixture
    of the two, and for a missing column.

    >>> compared = compare_laws(read_runs("results/laptop").where("epochs<=1"), ["quadratic", "cubic"])
    >>> [score.law for score in compared.scores]
    ['quadratic', 'cubic']
    """
    from fits.compare.laws import compare

    return compare(read_runs(runs), list(laws))


def write_report(study: "Place", out: "Place | None" = None) -> "Report":
    """Write the report of `study` as HTML, Markdown, figures and tables, and return its answer and checks.

    `out` is the folder (default: `report` in the study). A study with missing or failed runs is reported with
    `complete` False. Raises UsageError if the study does not exist or no run has a record.

    >>> write_report("results/laptop", "page")  # doctest: +SKIP
    <Report page: complete>
    """
    from reports import write_report

    return write_report(Study(study), None if out is None else Path(out))


def report_runs(
    runs: "Runs",
    laws: Sequence[str] = (),
    *,
    columns: Mapping[str, str] | None = None,
    source: str | None = None,
    unit: str | None = None,
    out: "Place | None" = None,
    **options: "Unpack[FitOptions]",
) -> "RunsReport":
    """Fit `runs` and return their answer with its page: a notebook shows the page, `plot()` gives its first figure.

    `runs`, `columns`, `source` and `unit` are those of `read_runs`, `laws` and the options those of `fit_study`. `out`
    is a folder to which the page, its figures and its tables are written. Raises UsageError as these two do.

    >>> sizes = [(N, D) for N in (5e7, 1e8, 4e8) for D in (1e9, 4e9, 2e10)]
    >>> rows = [{"N": N, "D": D, "loss": 1.8 + 480 / N**0.35 + 2000 / D**0.37} for N, D in sizes]
    >>> report_runs(rows, ["chinchilla"], bootstrap=0).data.lead.params["alpha"].value.__round__(4)
    0.35
    """
    from fits import fit_study
    from reports.runs.fitted_runs import FittedRuns
    from reports.runs.runs_report import RunsReport

    table = read_runs(runs, columns, laws=laws, source=source, unit=unit)
    report = RunsReport(data=FittedRuns(table=table, found=fit_study(table, laws, **options)))
    if out is not None:
        report.write(Path(out))
    return report


def compare_studies(study_a: "Place", study_b: "Place", out: "Place | None" = None) -> "Report":
    """Write the page of two studies side by side, with the interval of each difference, and return its answer.

    `out` is the folder (default: versus-B in the folder of the first study). Raises UsageError if the two are one
    study, and if a study has no record.

    >>> compare_studies("results/laptop", "results/laptop-tuning", "versus")  # doctest: +SKIP
    <Report versus: complete>
    """
    from reports.versus.page import write_versus

    a, b = Study(study_a), Study(study_b)
    return write_versus(a, b, Path(out) if out is not None else a.folder / f"versus-{b.folder.resolve().name}")


def reproduce(name: str, out: "Place | None" = None) -> "Report":
    """Write the page of the published study `name`, computed from its own numbers, and return its answer.

    `name` is one of `reports.papers.PAPERS`, such as "chinchilla". `out` is the folder (default: reproduced/NAME).
    Raises UsageError, which lists the known names, for another name.

    >>> reproduce("clark", "clark-page")  # doctest: +SKIP
    <Report clark-page: complete>
    """
    from reports.papers import reproduce

    return reproduce(name, Path("reproduced") / name if out is None else Path(out))


def write_gallery(out: "Place | None" = None) -> "Report":
    """Write one page with every figure that a report can show; `out` is the folder (default: gallery).

    >>> write_gallery("gallery")  # doctest: +SKIP
    <Report gallery: complete>
    """
    from reports.gallery.write_gallery import write_gallery

    return write_gallery(Path("gallery" if out is None else out))
