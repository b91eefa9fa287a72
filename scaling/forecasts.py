"""The forecast part of a plan: its flags, its table and its JSON."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from planners import RunSpec, UsageError
from planners.architecture.devices import DEVICES, device
from planners.architecture.memory import USABLE
from planners.forecast import Forecast, Speed, forecast, total
from planners.records.json import to_json
from planners.records.quantity import format_quantity, parse_quantity
from planners.records.text_table import text_table
from scaling import cli

HEADER = ("arm", "C", "runs", "state", "activations", "peak", "micro-batch", "hours each", "price each")


def add_flags(parser: cli.Parser) -> None:
    """Add the flags that ask for a forecast."""
    add = parser.add_argument
    add("--device", metavar="NAME", help=f"forecast memory and time on one of: {', '.join(DEVICES)}")
    add("--mfu", metavar="M", help="share of the device's bf16 peak that is reached: 0.4, or by arm: 0.4,K1=0.3")
    add("--tokens-per-s", metavar="S", help="measured training tokens per second instead: 45k, or by arm: K1=52k,20k")
    add("--price", metavar="P", help="price of a device-hour, in any currency")


def forecasts(flags: cli.Flags, runs: Sequence[RunSpec]) -> list[Forecast]:
    """Return the forecast of each run, or an empty list if no flag asks for one.

    Raises UsageError for flags that contradict each other.
    """
    if flags.device is flags.mfu is flags.tokens_per_s is flags.price is None:
        return []
    if flags.mfu is not None and flags.tokens_per_s is not None:
        raise UsageError("--mfu and --tokens-per-s both give the speed; drop one of the two")
    where = None if flags.device is None else device(flags.device)
    price = None if flags.price is None else parse_quantity(flags.price, "--price")
    speeds = _speeds(flags, {run.arm for run in runs})
    return [forecast(run, where, speeds.get(run.arm, speeds.get("")), price_per_hour=price) for run in runs]


def _speeds(flags: cli.Flags, arms: set[str]) -> dict[str, Speed]:
    """Return the speed of each named arm; the empty name stands for all other arms."""
    name, text = ("mfu", flags.mfu) if flags.mfu is not None else ("tokens_per_s", flags.tokens_per_s)
    speeds: dict[str, Speed] = {}
    for item in [] if text is None else text.split(","):
        arm, _, value = item.rpartition("=")
        if arm and arm not in arms:
            raise UsageError(f"this plan has no arm {arm!r}; it has {', '.join(sorted(arms))}")
        speeds[arm] = Speed(**{name: parse_quantity(value, "--" + name.replace("_", "-"))})
    missing = sorted(arms - set(speeds))
    if speeds and "" not in speeds and missing:
        raise UsageError(f"arm {missing[0]!r} has no speed; add a speed without a name for all other arms")
    return speeds


def as_json(made: list[Forecast]) -> dict[str, Any]:
    """Return what --json adds for the forecasts; an empty object without forecasts."""
    return {"forecast": {"runs": to_json(made), "total": to_json(total(made))}} if made else {}


def text(flags: cli.Flags, runs: Sequence[RunSpec], made: list[Forecast]) -> str:
    """Return the forecast of each run, and of all runs together."""
    alike: dict[tuple[object, ...], list[tuple[RunSpec, Forecast]]] = {}  # runs that differ only in their seed
    for run, one in zip(runs, made, strict=True):
        alike.setdefault((run.arm, run.shape, replace(run.training, seed=0)), []).append((run, one))
    parts = [
        f"\nforecast{'' if flags.device is None else f' on one {flags.device}'}, computed and not measured:",
        text_table(HEADER, [_row(*group[0], len(group)) for group in alike.values()]),
    ]
    sums = total(made)
    if sums.device_hours is not None:
        price = "" if sums.price is None else f", price {format_quantity(sums.price)}"
        parts.append(f"total: {format_quantity(sums.device_hours)} device-hours{price}")
    outside = [one for one in made if one.memory and one.micro_batch is None]
    if outside and flags.device is not None:
        room, need = _gigabytes(USABLE * device(flags.device).memory), _gigabytes(sums.memory or 0)
        parts.append(
            f"note: {len(outside)} of {len(made)} runs do not fit one {flags.device}, even with one sequence and"
            f" --recompute: they need up to {need}, and {room} can be used."
        )
    return "\n\n".join(parts)


def _row(run: RunSpec, made: Forecast, count: int) -> list[Any]:
    memory = made.memory
    sizes = (None, None, None) if memory is None else (memory.state, memory.total - memory.state, memory.total)
    return [
        run.arm,
        f"{run.C:.3g}",
        count,
        *(None if size is None else _gigabytes(size) for size in sizes),
        None if memory is None else _micro_batch(made),
        None if made.device_hours is None else format_quantity(made.device_hours),
        None if made.price is None else format_quantity(made.price),
    ]


def _micro_batch(made: Forecast) -> str:
    if made.micro_batch is None:
        return "does not fit"
    return f"{made.micro_batch} --recompute" if made.recompute else str(made.micro_batch)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.3g} GB"
