"""Plan, train, fit and report scaling-law studies: `from scaling import make_plan, fit_study, write_report`.

Names are imported when they are first used, so `import scaling` is quick and needs neither pandas nor torch.
"""

from typing import TYPE_CHECKING

from planners.records.lazy_names import lazy_names

if TYPE_CHECKING:  # what editors and type checkers see; a test holds it against the names below
    from fits import (
        FitResult as FitResult,
        RunTable as RunTable,
        StudyFits as StudyFits,
        constancy as constancy,
        curve as curve,
        read_fits as read_fits,
    )
    from fits.repeats.reuse import reuse as reuse
    from fits.simulate.coverage import Noise as Noise
    from fits.table_checks import check_table as check_table
    from jobs.corpora import prepare as prepare
    from jobs.engines.export import export_runs as export_runs
    from jobs.record import read_records as read_records
    from jobs.sweep.cluster import Cluster as Cluster
    from planners import (
        Corpus as Corpus,
        GivenArm as GivenArm,
        Plan as Plan,
        Question as Question,
        Shape as Shape,
        Study as Study,
        UsageError as UsageError,
        Varied as Varied,
        flops_by_part as flops_by_part,
        flops_per_token as flops_per_token,
        from_hf as from_hf,
        preset as preset,
        to_hf as to_hf,
    )
    from planners.model_count import count_model as count_model
    from reports import Report as Report
    from reports.study.figures import draw as draw
    from scaling.api import (
        compare_laws as compare_laws,
        compare_studies as compare_studies,
        fit_law as fit_law,
        fit_study as fit_study,
        make_plan as make_plan,
        predict as predict,
        read_runs as read_runs,
        report_runs as report_runs,
        reproduce as reproduce,
        sweep_study as sweep_study,
        write_gallery as write_gallery,
        write_report as write_report,
    )
    from scaling.chosen_runs import next_runs as next_runs
    from scaling.simulated_study import clear_simulated as clear_simulated, simulate_study as simulate_study

__getattr__, __dir__, __all__ = lazy_names(
    "scaling",
    {
        "fits": "FitResult RunTable StudyFits constancy curve read_fits",
        "fits.table_checks": "check_table",
        "fits.repeats.reuse": "reuse",
        "fits.simulate.coverage": "Noise",
        "jobs.corpora": "prepare",
        "jobs.engines.export": "export_runs",
        "jobs.record": "read_records",
        "jobs.sweep.cluster": "Cluster",
        "planners": "Corpus GivenArm Plan Question Shape Study UsageError Varied flops_by_part flops_per_token from_hf"
        " preset to_hf",
        "planners.model_count": "count_model",
        "reports": "Report",
        "reports.study.figures": "draw",
        "scaling.api": "compare_laws compare_studies fit_law fit_study make_plan predict read_runs report_runs"
        " reproduce sweep_study write_gallery write_report",
        "scaling.chosen_runs": "next_runs",
        "scaling.simulated_study": "clear_simulated simulate_study",
    },
)
