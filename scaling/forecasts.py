"""The forecast part of a plan: its flags, its table and its JSON."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from planners import RunSpec, UsageError
from planners.architecture.devices import DEVICES, device
from planners.architecture.memory import USABLE
from planners.forecast import (
    ASSUMED_MFU,
    Fleet,
    Forecast,
    Speed,
    StoredForecast,
    assumed_speed,
    fewest_shards,
    fleet,
    forecast,
    kind_of,
    total,
)
from planners.records.json import to_json
from planners.records.quantity import format_quantity, parse_count, parse_quantity
from planners.records.text_table import fitted
from scaling import cli
from scaling.flags import SWITCH, Flag
from scaling.help_text import width
from scaling.measured_speeds import MeasuredSpeeds, measured_speeds

HEADER = ("arm", "C", "runs", "state", "activations", "peak", "micro-batch", "hours each", "device-hours", "price")
"""Columns; device-hours and price are those of all runs of a line."""
RANKS = (0, 3, 2, 6, 6, 4, 1, 0, 1, 1)
"""Ranks of the columns: the highest is left out first where the lines are too long."""


FLAGS = (
    Flag(name="device", metavar="NAME", help=f"forecast memory and time on one of: {', '.join(DEVICES)}"),
    Flag(name="mfu", metavar="M", help="share of the device's bf16 peak that is reached: 0.4, or by arm: 0.4,K1=0.3"),
    Flag(
        name="tokens-per-s",
        metavar="S",
        help="measured training tokens per second instead: 45k, or by arm: K1=52k,20k",
    ),
    Flag(name="price", metavar="P", help="price of a device-hour: 2.5, or with a currency: 2.5USD"),
    Flag(name="count", metavar="G", help="devices for the whole study: forecasts its wall-clock"),
    Flag(name="devices", metavar="W", help="devices that share each run (default 1)"),
    Flag(name="shard", extra=SWITCH, help="shard weights and optimizer state over them (FSDP2)"),
)
"""Flags that ask for a forecast."""


def forecasts(flags: cli.Flags, runs: Sequence[RunSpec]) -> list[Forecast]:
    """Return the forecast of each run, or an empty list if no flag asks for one.

    Raises UsageError for flags that contradict each other.
    """
    if flags.device is flags.mfu is flags.tokens_per_s is flags.price is flags.count is None:
        return []
    if flags.mfu is not None and flags.tokens_per_s is not None:
        raise UsageError("--mfu and --tokens-per-s both give the speed; drop one of the two")
    if flags.count is not None and flags.device is flags.tokens_per_s is None:
        raise UsageError("--count needs the time of the runs; add --device NAME or --tokens-per-s")
    where = None if flags.device is None else device(flags.device)
    price = None if flags.price is None else parse_quantity(_price(flags)[0], "--price")
    speeds = _speeds(flags, {run.arm for run in runs})
    devices = devices_of(flags)
    shard = bool(flags.shard)
    return [
        forecast(run, where, _speed(run, flags, speeds), price_per_hour=price, devices=devices, shard=shard)
        for run in runs
    ]


def devices_of(flags: cli.Flags) -> int:
    """Return the devices that share each run."""
    return 1 if flags.devices is None else parse_count(flags.devices, "--devices")


def _price(flags: cli.Flags) -> tuple[str, str]:
    """Return the number of --price and its currency, which may be empty."""
    found = re.fullmatch(r"([$€£]?)(.*?)\s*((?<=[\d\s.])[A-Za-z]{3})?", flags.price.strip())
    return (found[2], found[1] or found[3] or "") if found else (flags.price, "")


def _is_assumed(flags: cli.Flags, run: RunSpec) -> bool:
    """Return whether the speed of a run is neither given nor unknown: a device is named, and the run is in bf16."""
    return flags.mfu is flags.tokens_per_s is None and flags.device is not None and run.training.precision == "bf16"


def _speed(run: RunSpec, flags: cli.Flags, speeds: dict[str, Speed]) -> Speed | None:
    """Return the speed of a run: as given, else as earlier studies measured it, else as assumed."""
    if not _is_assumed(flags, run):
        return speeds.get(run.arm, speeds.get(""))
    found = _measured(flags)
    share = found.mfu.get(kind_of(run)) if found else None
    return assumed_speed(run) if share is None else Speed(mfu=share)


def _measured(flags: cli.Flags) -> MeasuredSpeeds | None:
    """Return what earlier studies next to this one reached on the device that the flags name."""
    beside = Path("studies") if flags.out is None else Path(flags.out).parent
    return None if flags.device is None else _measured_in(flags.device.lower(), beside)


@lru_cache(maxsize=1)
def _measured_in(name: str, folder: Path) -> MeasuredSpeeds | None:
    return measured_speeds(device(name), folder)


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


def as_json(flags: cli.Flags, runs: Sequence[RunSpec], made: list[Forecast]) -> dict[str, Any]:
    """Return what --json adds for the forecasts; nothing without forecasts."""
    if not made:
        return {}
    found = {"runs": to_json(made), "total": to_json(total(made)), "notes": list(_notes(flags, runs, made))}
    return {"forecast": {**found, "fleet": to_json(_fleet(flags, made))}}


def stored(flags: cli.Flags, made: list[Forecast]) -> StoredForecast | None:
    """Return the forecast that a study keeps, or None where it has no times."""
    hours = {one.run_id: one.device_hours for one in made if one.device_hours is not None}
    if not hours:
        return None
    name = None if flags.device is None else flags.device.lower()
    return StoredForecast(device=name, devices=devices_of(flags), device_hours=hours)


def _fleet(flags: cli.Flags, made: list[Forecast]) -> Fleet | None:
    return None if flags.count is None else fleet(made, parse_count(flags.count, "--count"))


def text(flags: cli.Flags, runs: Sequence[RunSpec], made: list[Forecast]) -> str:
    """Return the forecast of each run, and of all runs together."""
    alike: dict[tuple[object, ...], list[tuple[RunSpec, Forecast]]] = {}  # runs that differ only in their seed
    for run, one in zip(runs, made, strict=True):
        alike.setdefault((run.arm, run.shape, replace(run.training, seed=0)), []).append((run, one))
    columns = 10**6 if flags.wide else width()
    parts = [
        f"\nforecast{_where(flags)}, computed:",
        fitted(_header(flags), [_row(*group[0], len(group)) for group in alike.values()], RANKS, columns),
    ]
    sums, whole = total(made), _fleet(flags, made)
    if sums.device_hours is not None:
        price = "" if sums.price is None else f", price {format_quantity(sums.price)} {_price(flags)[1]}".rstrip()
        parts.append(f"total: {format_quantity(sums.device_hours)} device-hours{price}")
    if whole:
        on = f"on {whole.count} {flags.device or 'devices'}"
        ends = f"{format_quantity(whole.wall_clock_hours)} h of wall-clock, longest run"
        idle = f"devices idle {100 * whole.idle:.0f} %"
        parts.append(f"{on}: {ends} {format_quantity(whole.longest_hours)} h, {idle}")
    parts += [f"note: {note}" for note in _notes(flags, runs, made)]
    return "\n\n".join(parts)


def _header(flags: cli.Flags) -> list[str]:
    """Return the columns, the last with the currency of the price."""
    currency = "" if flags.price is None else _price(flags)[1]
    return [*HEADER[:-1], f"price {currency}".rstrip()]


def _where(flags: cli.Flags) -> str:
    devices = devices_of(flags)
    if devices > 1:
        how = ", ".join(filter(None, (flags.device, "sharded" * bool(flags.shard))))
        return f" on {devices} devices a run{f' ({how})' if how else ''}"
    return "" if flags.device is None else f" on one {flags.device}"


def _notes(flags: cli.Flags, runs: Sequence[RunSpec], made: list[Forecast]) -> Iterator[str]:
    """Yield what a forecast assumes, and what does not fit or divide, with the flag that changes it."""
    guessed = {kind_of(run) for run in runs if _is_assumed(flags, run)}
    if guessed and (found := _measured(flags)):
        yield f"measured: utilisation of the bf16 peak by earlier studies on {flags.device}: {found}."
        guessed -= found.mfu.keys()
    if guessed:
        shares = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in ASSUMED_MFU.items() if kind in guessed)
        yield f"assumed: utilisation of the bf16 peak: {shares}; give --mfu or --tokens-per-s as measured."
    devices = devices_of(flags)
    count = 0 if flags.count is None else parse_count(flags.count, "--count")
    if len(runs) * devices * 2 <= count:
        used = len(runs) * devices
        yield f"{len(runs)} runs occupy {used} of {count} devices; more --devices a run shorten the study."
    windows = {run.training.batch_tokens // run.training.seq_len: run for run in reversed(runs)}
    uneven = {count: run for count, run in windows.items() if count % devices}
    if uneven:
        count, run = next(iter(uneven.items()))
        even = max(1, round(count / devices)) * devices * run.training.seq_len
        yield (
            f"{devices} devices do not divide the batch of {run.arm}, {count} sequences"
            f" ({len(uneven)} of {len(windows)} batches); give --batch-tokens {even} or other --devices."
        )
    outside = [run for run, one in zip(runs, made, strict=True) if one.memory and one.micro_batch is None]
    if outside and flags.device is not None:
        where = device(flags.device)
        most = max((one for one in made if one.memory), key=lambda one: one.memory.total if one.memory else 0)
        need = _gigabytes(most.memory.total if most.memory else 0)
        counts = [fewest_shards(run, where) for run in {run.shape: run for run in outside}.values()]
        enough = None if None in counts else max(count for count in counts if count)
        repair = f"--devices {enough} --shard fits" if enough else "no number of devices is enough; plan a smaller N"
        on = f"one {flags.device}" if devices == 1 else f"{devices} {flags.device}"
        yield (
            f"{len(outside)} of {len(made)} runs do not fit {on}, even with one sequence and --recompute: they need up"
            f" to {need}, and {_gigabytes(USABLE * where.memory)} can be used; {repair}."
        )


def _row(run: RunSpec, made: Forecast, count: int) -> list[Any]:
    memory = made.memory
    sizes = (None, None, None) if memory is None else (memory.state, memory.total - memory.state, memory.total)
    return [
        run.arm,
        f"{run.C:.3g}",
        count,
        *(None if size is None else _gigabytes(size) for size in sizes),
        None if memory is None else _micro_batch(made),
        None if made.hours is None else format_quantity(made.hours),
        None if made.device_hours is None else format_quantity(made.device_hours * count),
        None if made.price is None else format_quantity(made.price * count),
    ]


def _micro_batch(made: Forecast) -> str:
    if made.micro_batch is None:
        return "does not fit"
    return f"{made.micro_batch} --recompute" if made.recompute else str(made.micro_batch)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.3g} GB"
