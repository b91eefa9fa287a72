"""python -m scaling.simulate studies/x --law cubic --noise 0.015

Fill a plan with losses simulated from a known optimum, and estimate how often such a study would find it. Every record
and every page says that the losses are simulated.
"""

import math
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.record import Environment, RunRecord, collect, planned, read_records, write_record
from jobs.sweep.status import status
from planners import RunSpec, Study, UsageError
from planners.records.json import to_json
from planners.records.quantity import parse_count, parse_quantity
from planners.records.version import toolkit_version
from scaling import cli

if TYPE_CHECKING:
    from fits import RunTable
    from fits.simulate.coverage import Noise
    from fits.simulate.simulated_study import SimulatedSeries
    from fits.simulate.truth import Truth

EXAMPLE = "python -m scaling.simulate studies/x --law cubic --noise 0.015 --params best=0.15,bend=0.1"
SIMULATED = "simulated"
"""Flag of a record whose loss is simulated."""


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("simulate", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study; it must hold no trained run")
    add(
        "--law",
        default="cubic",
        metavar="NAME",
        help="the true law: cubic (default), quadratic or a law of fit",
    )
    add(
        "--params",
        metavar="NAME=VALUE,…",
        help="its parameters (default: the published ones). Those of a curve: best (rate), bend, skew, floor (nats),"
        " slope (per ln C), move (of ln best per ln C), dense (nats above the floor)",
    )
    add("--noise", metavar="SD", help="SD of a run's loss, nats per token")
    add("--noise-family", default="gaussian", metavar="NAME", help="gaussian or t3, heavy-tailed (default gaussian)")
    add("--seed-sd", metavar="SD", help="SD of the offset that a seed adds to all its runs (default: as --noise)")
    add("--fit", default="cubic", metavar="LAW", help="the curve that is fitted to find the optimum (default cubic)")
    add(
        "--repeats",
        default="200",
        metavar="R",
        help="simulated studies for the coverage, 0 for none (default 200)",
    )
    add("--seed", default="0", help="seed of the simulation (default 0)")
    add("--clear", action="store_true", help="remove the simulated records, so that the runs can be trained")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


def act(flags: cli.Flags) -> int:
    """Write simulated records, fit them, and repeat in memory."""
    from fits.simulate.simulated_study import simulate_study
    from scaling.study_table import margin_of

    study = Study(flags.study)
    _refuse_real(study)
    if flags.clear:
        return _clear(study, flags)
    if flags.noise is None:
        raise UsageError("give the noise of a run with --noise SD, in nats per token, such as 0.015")
    noise, specs = _noise(flags), study.runs()
    table, truth = _truth(flags, specs)
    written, found = simulate_study(
        table,
        truth,
        noise,
        flags.fit,
        studies=parse_count(flags.repeats, "--repeats", least=0),
        seed=parse_count(flags.seed, "--seed", least=0),
        margin=margin_of(study),
    )
    _write(study, specs, written.numbers("loss").tolist())
    if flags.json:
        answer = {"law": flags.law, "truth": truth.params, "noise": noise, "found": found}
        cli.print_json({"simulated": True, **{name: to_json(value) for name, value in answer.items()}})
    cli.say(_text(study, flags, truth, noise, found), flags)
    return cli.DONE


def _refuse_real(study: Study) -> None:
    """Raise UsageError if a run was trained or is being trained."""
    for run in status(study):
        real = run.record is not None and SIMULATED not in run.record.flags
        if real or run.state == "running" or (run.record is None and run.D_seen):
            raise UsageError(
                f"{study.folder} holds trained runs (run {run.spec.run_id} is {run.state}); they cannot be mixed with"
                " simulated ones, so plan the study again in another folder"
            )


def _clear(study: Study, flags: cli.Flags) -> int:
    records = [spec for spec, record in read_records(study) if record is not None]
    for spec in records:
        (study.run_folder(spec.run_id) / "record.json").unlink()
    for path in (study.runs_csv, *study.fits.glob("*")):
        path.unlink(missing_ok=True)
    if flags.json:
        cli.print_json({"simulated": False, "removed": len(records)})
    cli.say(f"removed {len(records)} simulated records, their table and their fits\n", flags)
    cli.say(f"next: {cli.command('sweep', study.folder, '--go')}", flags)
    return cli.DONE


def _noise(flags: cli.Flags) -> "Noise":
    from fits.simulate.coverage import Noise

    sd = _nats(flags.noise, "--noise")
    seed_sd = sd if flags.seed_sd is None else _nats(flags.seed_sd, "--seed-sd")
    return Noise(sd=sd, seed_sd=seed_sd, family=flags.noise_family)


def _nats(text: str, flag: str) -> float:
    try:
        zero = float(text) == 0
    except ValueError:
        zero = False
    return 0.0 if zero else parse_quantity(text, flag)


def _truth(flags: cli.Flags, specs: list[RunSpec]) -> "tuple[RunTable, Truth]":
    """Return the planned runs as a table, and the truth that their losses are drawn from."""
    from fits import LAWS, from_records
    from fits.laws.curve_basis import Curve
    from fits.simulate.truth import truth_of

    if not isinstance(LAWS.get(flags.fit), Curve):
        curves = ", ".join(name for name, law in LAWS.items() if isinstance(law, Curve))
        raise UsageError(f"--fit {flags.fit!r} is not a curve of r_a; choose one of {curves}")
    rows = [{**planned(spec), "loss": 1.0, "state": "done"} for spec in specs]
    table = from_records(rows, source=SIMULATED)
    return table, truth_of(flags.law, _params(flags.params), table)


def _params(text: str | None) -> dict[str, float]:
    params = {}
    for pair in text.split(",") if text else []:
        name, _, value = pair.partition("=")
        try:
            params[name.strip()] = float(value)
        except ValueError:
            raise UsageError(f"--params {pair!r} is not NAME=VALUE, such as best=0.15") from None
    return params


def _write(study: Study, specs: list[RunSpec], losses: list[float]) -> None:
    """Write a record with the flag SIMULATED for each run, and runs.csv."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    where = Environment(
        version=toolkit_version(),
        commit=None,
        code=SIMULATED,
        python=platform.python_version(),
        torch="none",
        device=SIMULATED,
        host=SIMULATED,
        started=now,
        ended=now,
    )
    for spec, loss in zip(specs, losses, strict=True):
        record = RunRecord(
            spec=spec,
            state="done",
            loss=loss,
            D_seen=spec.training.D,
            wall_s=0.0,
            environment=where,
            flags=(SIMULATED,),
        )
        write_record(study, record)
    collect(study)


def _text(study: Study, flags: cli.Flags, truth: "Truth", noise: "Noise", found: "Sequence[SimulatedSeries]") -> str:
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in truth.params.items())
    lines = [
        f"SIMULATED: the losses of {len(study.runs())} runs in {study.folder} are drawn, not measured",
        f"truth: {flags.law}, {numbers}",
        f"noise: {noise.family}, SD {noise.sd:g} nats a run, {noise.seed_sd:g} a seed",
        "",
        *(_written(each) for each in found),
    ]
    if found and found[0].score:
        lines += ["", f"{found[0].score.studies} studies like this one, fitted with the {flags.fit}:", _shares(found)]
    return "\n".join([*lines, "", f"next: {cli.command('fit', study.folder, '--law', flags.fit)}"])


def _written(each: "SimulatedSeries") -> str:
    """Return the true optimum of a series, and the one that the written study finds."""
    optimum, name = each.written.optimum, f"{each.series}: " if each.series else ""
    said = "no optimum" if optimum is None else optimum.reason
    if optimum is not None and optimum.value is not None:
        lo, hi = (f"{end:.3g}" if end else "open" for end in (optimum.lo, optimum.hi))
        said = f"{optimum.value:.3g} (95 %: {lo} to {hi})"
    return f"{name}true r_a* {each.best:.3g}, this study finds: {said}"


def _shares(found: "Sequence[SimulatedSeries]") -> str:
    header = ["series", "converged", "edge", "not identified", "no minimum", "hold r_a*", "hold L*", "width"]
    rows = []
    for each in found:
        if each.score is not None:
            score, width = each.score, each.score.width
            shares = [f"{share:.0%}" for share in score.statuses.values()]
            held = [None if share is None else f"{share:.1%}" for share in (score.held, score.loss_held)]
            rows.append([each.series or "all", *shares, *held, None if width is None else f"x{math.exp(width):.2f}"])
    note = "hold: share of intervals that contain the truth; width: upper over lower end of the median interval"
    return f"{cli.table(header, rows)}\n{note}"


if __name__ == "__main__":
    sys.exit(main())
