"""python -m scaling.simulate studies/x --law cubic --noise 0.015

Fill a plan with losses simulated from a known optimum, and estimate how often such a study would find it. Every record
and every page says that the losses are simulated.
"""

import sys
from functools import partial

from planners import Study, UsageError
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli
from scaling.flags import SWITCH, Flag, add_flags, values
from scaling.simulated_study import clear_simulated, simulate_study

EXAMPLE = "python -m scaling.simulate studies/x --law cubic --noise 0.015 --params best=0.15,bend=0.1"


FLAGS = (
    Flag(name="law", metavar="NAME", help="the true law: cubic (default), quadratic or a law of fit"),
    Flag(
        name="params",
        read=lambda text, flag: cli.numbers(text, flag, "best=0.15"),
        metavar="NAME=VALUE,…",
        help="its parameters (default: the published ones). Those of a curve: best (rate), bend, skew, floor (nats),"
        " slope (per ln C), move (of ln best per ln C), dense (nats above the floor)",
    ),
    Flag(name="fit", metavar="LAW", help="the curve that is fitted to find the optimum (default cubic)"),
    Flag(
        name="repeats",
        read=partial(parse_count, least=0),
        metavar="R",
        help="simulated studies for the coverage, 0 for none (default 200)",
    ),
    Flag(name="seed", read=partial(parse_count, least=0), help="seed of the simulation (default 0)"),
)
"""Flags that are options of `simulate_study`."""
_sd = partial(parse_quantity, zero=True)
NOISE = (
    Flag(name="noise", sets="sd", read=_sd, metavar="SD", help="SD of a run's loss, nats per token"),
    Flag(
        name="noise-family",
        sets="family",
        metavar="NAME",
        help="gaussian or t3, heavy-tailed (default gaussian)",
    ),
    Flag(
        name="seed-sd",
        read=_sd,
        metavar="SD",
        help="SD of the offset that a seed adds to all its runs (default: as --noise)",
    ),
)
"""Flags that set a field of `Noise`."""


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("simulate", EXAMPLE)
    parser.add_argument("study", help="folder of the study; it must hold no trained run")
    clear = Flag(name="clear", extra=SWITCH, help="remove the simulated records, so that the runs can be trained")
    add_flags(parser, (*NOISE, *FLAGS, clear))
    return parser


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

    noise = values(flags, NOISE)
    made = simulate_study(study, noise=Noise(**{"seed_sd": noise["sd"], **noise}), **values(flags, FLAGS))
    if flags.json:
        cli.print_json(made.as_json())
    cli.say(f"{made}\n\nnext: {cli.command('fit', study.folder, '--law', made.fitted)}", flags)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
