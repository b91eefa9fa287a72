"""python -m scaling.next studies/x --runs 6

Say which runs of a study to make next: the cells and seeds whose runs shrink most what is not known yet, with what they
are expected to bring, simulated, and the command that plans them in the study.
"""

import sys

from planners import UsageError
from planners.records.quantity import parse_count, parse_quantity
from scaling import cli

EXAMPLE = "python -m scaling.next studies/x --runs 6"


def arguments() -> cli.Parser:
    """Return the parser of this command."""
    parser = cli.parser("next", EXAMPLE)
    add = parser.add_argument
    add("study", help="folder of the study; some of its runs must have ended")
    add("--runs", metavar="R", help="number of runs to choose (default 6)")
    add("--device-hours", metavar="H", help="device-hours to spend, instead of a number of runs")
    add("--for", dest="aim", default="optimum", metavar="AIM",
        help="what shrinks: optimum, the interval of r_a* (default); lead, the interval of MoE against dense; or reuse,"
        " the doubt whether repeated data equals fresh data")  # fmt: skip
    add("--studies", default="200", metavar="S", help="simulated studies of each design (default 200)")
    return parser


def act(flags: cli.Flags) -> int:
    """Choose the next runs and show them."""
    if flags.runs is not None and flags.device_hours is not None:
        raise UsageError("--runs and --device-hours both say how much to spend; give one of the two")
    runs = None if flags.runs is None else parse_count(flags.runs, "--runs", least=1)
    hours = None if flags.device_hours is None else parse_quantity(flags.device_hours, "--device-hours")
    studies = parse_count(flags.studies, "--studies", least=1)
    from tqdm import tqdm

    from scaling.chosen_runs import next_runs

    with tqdm(desc="runs chosen", delay=2, leave=False, disable=flags.json) as bar:
        chosen = next_runs(flags.study, runs=runs, device_hours=hours, aim=flags.aim, studies=studies, tick=bar.update)
    if flags.json:
        cli.print_json(chosen.as_json())
    cli.say(str(chosen), flags)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(cli.run(act, arguments()))
