"""python -m scaling.simulate studies/x --law cubic --noise 0.015

Fill a plan with losses simulated from a known optimum, and estimate how often such a study would find it. Every record
and every page says that the losses are simulated.
"""

import sys
from collections.abc import Sequence

from planners import Study, UsageError
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli
from scaling.simulated_study import clear_simulated, simulate_study

EXAMPLE = "python -m scaling.simulate studies/x --law cubic --noise 0.015 --params best=0.15,bend=0.1"


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
    """Write simulated records and show what fits find in them, or remove the records."""
    study = Study(flags.study)
    if flags.clear:
        removed = clear_simulated(study)
        if flags.json:
            cli.print_json({"simulated": False, "removed": removed})
        cli.say(f"removed {removed} simulated records, their table and their fits\n", flags)
        cli.say(f"next: {cli.command('sweep', study.folder, '--go')}", flags)
        return cli.DONE
    if flags.noise is None:
        raise UsageError("give the noise of a run with --noise SD, in nats per token, such as 0.015")
    from fits.simulate.coverage import Noise

    sd = parse_quantity(flags.noise, "--noise", zero=True)
    seed_sd = sd if flags.seed_sd is None else parse_quantity(flags.seed_sd, "--seed-sd", zero=True)
    made = simulate_study(
        study,
        noise=Noise(sd=sd, seed_sd=seed_sd, family=flags.noise_family),
        law=flags.law,
        params=cli.numbers(flags.params, "--params", "best=0.15"),
        fit=flags.fit,
        repeats=parse_count(flags.repeats, "--repeats", least=0),
        seed=parse_count(flags.seed, "--seed", least=0),
    )
    if flags.json:
        cli.print_json(made.as_json())
    cli.say(f"{made}\n\nnext: {cli.command('fit', study.folder, '--law', flags.fit)}", flags)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main())
