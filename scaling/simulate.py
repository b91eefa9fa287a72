"""python -m scaling.simulate studies/x --law cubic --noise 0.015

Fill a plan with losses from a known truth, and say how often such a study would find it. What is written is marked
simulated, in every record and on every page.
"""

import math
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from jobs.record import Environment, RunRecord, collect, planned, read_records, write_record
from jobs.sweep.status import status
from planners import RunSpec, Study, UsageError
from planners.records.json import to_json
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli

if TYPE_CHECKING:
    from numpy.random import Generator

    from fits import FitResult, RunTable
    from fits.simulate.coverage import Coverage, Noise
    from fits.simulate.truth import Truth

EXAMPLE = "python -m scaling.simulate studies/x --law cubic --noise 0.015 --params best=0.15,bend=0.1"
SIMULATED = "simulated"
"""The flag of a record whose loss was drawn and not measured."""


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("simulate", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study; it must hold no trained run")
    add("--law", default="cubic", metavar="NAME", help="the truth (default cubic): quadratic, cubic, or a law of fit")
    add(
        "--params",
        metavar="NAME=VALUE,…",
        help="its numbers; by default those that a law is printed with. Of a curve: best (rate), bend, skew, floor"
        " (nats), slope (per ln C), move (of ln best per ln C), dense (nats above the floor)",
    )
    add("--noise", metavar="SD", help="SD of a run's loss, nats per token")
    add("--noise-family", default="gaussian", metavar="NAME", help="gaussian or t3, heavy-tailed (default gaussian)")
    add("--seed-sd", metavar="SD", help="SD of what a seed adds to all its arms (default: as --noise)")
    add("--fit", default="cubic", metavar="LAW", help="what is fitted to see whether it is found (default cubic)")
    add("--repeats", default="200", metavar="R", help="studies simulated for the shares, 0 for none (default 200)")
    add("--seed", default="0", help="seed of the draws (default 0)")
    add("--clear", action="store_true", help="remove the simulated records, so that the runs can be trained")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return cli.run(act, arguments(), argv)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What simulated studies find in one series of the plan."""

    series: str
    """Its name; empty where the plan is one series."""
    best: float
    """The true rate of the lowest loss."""
    lowest: float
    """The true lowest loss, nats per token."""
    rates: tuple[float, float]
    """Lowest and highest planned MoE rate."""
    written: "FitResult"
    """The fit to the losses that were written."""
    score: "Coverage | None"
    """What the repeats found; null without repeats."""


def act(flags: cli.Flags) -> int:
    """Write simulated records, fit them, and repeat in memory."""
    study = Study(flags.study)
    _refuse_real(study)
    if flags.clear:
        return _clear(study, flags)
    if flags.noise is None:
        raise UsageError("say how noisy a run is with --noise SD, in nats per token, such as 0.015")
    noise, specs = _noise(flags), study.runs()
    table, truth = _truth(flags, specs)
    found = _simulate(study, specs, table, truth, noise, flags)
    if flags.json:
        answer = {"law": flags.law, "truth": truth.params, "noise": noise, "found": found}
        cli.print_json({"simulated": True, **{name: to_json(value) for name, value in answer.items()}})
    cli.say(_text(study, flags, truth, noise, found), flags)
    return cli.DONE


def _refuse_real(study: Study) -> None:
    """Raise UsageError where a run was trained, or is being trained."""
    for run in status(study):
        real = run.record is not None and SIMULATED not in run.record.flags
        if real or run.state == "running" or (run.record is None and run.D_seen):
            raise UsageError(
                f"{study.folder} holds trained runs (run {run.spec.run_id} is {run.state}), which are never mixed with"
                " simulated ones; plan the same study in another folder"
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
    """Return the plan as a table of runs without noise, and the truth."""
    from fits import LAWS, from_records
    from fits.laws.curve_basis import Curve
    from fits.simulate.truth import truth_of

    if not isinstance(LAWS.get(flags.fit), Curve):
        curves = ", ".join(name for name, law in LAWS.items() if isinstance(law, Curve))
        raise UsageError(f"--fit {flags.fit!r} is no curve of r_a; choose {curves}")
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


def _simulate(
    study: Study, specs: list[RunSpec], table: "RunTable", truth: "Truth", noise: "Noise", flags: cli.Flags
) -> list[Found]:
    import numpy as np

    from fits.fit import fit_law
    from fits.runs.series import series
    from fits.simulate.coverage import with_losses

    repeats = parse_count(flags.repeats, "--repeats", least=0)
    random = np.random.default_rng(parse_count(flags.seed, "--seed", least=0))
    margin = study.asked().question.margin
    written = with_losses(table, truth.losses(table) + noise.draw(table, random))
    _write(study, specs, written.numbers("loss").tolist())
    found = []
    for key, part in series(written).items():
        best, lowest = truth.optimum(part)
        rates = part.rates()[part.routed()]
        found.append(
            Found(
                series=key.slug,
                best=best,
                lowest=lowest,
                rates=(float(rates.min()), float(rates.max())),
                written=fit_law(part, flags.fit, margin=margin),
                score=_repeat(part, truth, noise, flags.fit, repeats, random) if repeats else None,
            )
        )
    return found


def _repeat(
    part: "RunTable", truth: "Truth", noise: "Noise", law: str, repeats: int, random: "Generator"
) -> "Coverage":
    """Return what `repeats` further studies of the same plan find."""
    from tqdm import tqdm

    from fits.fit import fit_law
    from fits.simulate.coverage import measure_coverage, with_losses

    losses, rates = truth.losses(part), part.rates()[part.routed()]
    optima = []
    for _ in tqdm(range(repeats), desc="simulated studies", delay=2, leave=False):
        fit = fit_law(with_losses(part, losses + noise.draw(part, random)), law)
        if fit.optimum is not None:
            optima.append(fit.optimum)
    return measure_coverage(optima, rates.tolist(), *truth.optimum(part))


def _write(study: Study, specs: list[RunSpec], losses: list[float]) -> None:
    """Write a record for each run, flagged, and the table of them."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        toolkit = version("scaling")
    except PackageNotFoundError:
        toolkit = "unknown"
    where = Environment(
        version=toolkit,
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


def _text(study: Study, flags: cli.Flags, truth: "Truth", noise: "Noise", found: list[Found]) -> str:
    numbers = ", ".join(f"{name} {value:.3g}" for name, value in truth.params.items())
    lines = [
        f"SIMULATED: the losses of {len(study.runs())} runs in {study.folder} were drawn, not measured",
        f"truth: {flags.law}, {numbers}",
        f"noise: {noise.family}, SD {noise.sd:g} nats a run, {noise.seed_sd:g} a seed",
        "",
        *(_written(each) for each in found),
    ]
    if found and found[0].score:
        lines += ["", f"{found[0].score.studies} studies like this one, {flags.fit} fitted, simulated:", _shares(found)]
    return "\n".join([*lines, "", f"next: {cli.command('fit', study.folder, '--law', flags.fit)}"])


def _written(each: Found) -> str:
    """Return what the fit to the losses on disk says, beside the truth."""
    optimum, name = each.written.optimum, f"{each.series}: " if each.series else ""
    said = "no optimum" if optimum is None else optimum.reason
    if optimum is not None and optimum.value is not None:
        lo, hi = (f"{end:.3g}" if end else "open" for end in (optimum.lo, optimum.hi))
        said = f"{optimum.value:.3g} (95 %: {lo} to {hi})"
    return f"{name}true r_a* {each.best:.3g}, this study finds: {said}"


def _shares(found: list[Found]) -> str:
    header = ["series", "converged", "edge", "not identified", "no minimum", "hold r_a*", "hold L*", "width"]
    rows = []
    for each in found:
        if each.score is not None:
            score, width = each.score, each.score.width
            shares = [f"{share:.0%}" for share in score.statuses.values()]
            held = [None if share is None else f"{share:.1%}" for share in (score.held, score.loss_held)]
            rows.append([each.series or "all", *shares, *held, None if width is None else f"x{math.exp(width):.2f}"])
    note = (
        "hold: share of the stated intervals with the truth inside; width: upper over lower end of the median interval"
    )
    return f"{cli.table(header, rows)}\n{note}"


if __name__ == "__main__":
    sys.exit(main())
