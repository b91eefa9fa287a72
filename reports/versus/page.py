"""The page of two studies side by side: what differs between them, arm by arm, in the optimum and in cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fits.compare.by_seed import SAME, SeedDifference
from fits.intervals import ratio_interval
from fits.runs.budgets import same_budget
from planners.records.errors import UsageError
from planners.records.quantity import format_quantity
from planners.study import Study
from reports.page.number_text import counted, fixed, general, listed, percent
from reports.page.page import Page, Section
from reports.page.picture import Picture, pictures
from reports.page.table import Cell, Column, Table
from reports.page.write_page import Report, write_page
from reports.study.arm_series import Series
from reports.study.arms import Arm, mean_of
from reports.study.checks import gaps
from reports.study.evidence import Evidence, read_evidence
from reports.versus.compare import UNITS, Matched, Versus, against
from reports.versus.figures import FIGURES

RATIO = general(3)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Where the loss is lowest in one series of both studies."""

    a: Series
    """The series of A."""
    b: Series
    """Its counterpart of B."""

    @property
    def ratio(self) -> tuple[float, float, float] | None:
        """r_a* of B over that of A with its 95 % interval; null where a curve places none."""
        found = [_optimum(each) for each in (self.a, self.b)]
        if found[0] is None or found[1] is None:
            return None
        return ratio_interval(found[0], found[1])

    @property
    def verdict(self) -> str:
        """Whether the two differ."""
        if self.ratio is None:
            return "no optimum placed in both"
        _, low, high = self.ratio
        return "differ" if low > 1 or high < 1 else "not told apart"


def write_versus(study_a: Study, study_b: Study, folder: Path) -> Report:
    """Write the page of two studies side by side to `folder`.

    Raises UsageError where both are one study, where one is none or has no record, and for a corrupt file.
    """
    if study_a.folder.resolve() == study_b.folder.resolve():
        raise UsageError(f"{study_a.folder} is both studies; name another one to compare it with")
    found = against(read_evidence(study_a), read_evidence(study_b))
    page = page_of(found, pictures(FIGURES, found))
    text = " ".join([*page.state, page.answer, *page.more])
    files = write_page(folder, page, {"answer": text, **summary(found)})
    return Report(answer=text, checks=(), complete=not page.gaps, gaps=page.gaps, folder=folder, files=files)


def page_of(found: Versus, drawn: dict[str, Picture]) -> Page:
    """Return the page of two studies."""
    a, b = names(found)
    unfinished = tuple(f"{name}: {gap}" for name, each in (("A", found.a), ("B", found.b)) for gap in gaps(each))
    rest = tuple(picture for name, picture in drawn.items() if name != "versus_arms")
    lacking = [(f"only in A: {_described(arm)}") for arm in found.only_a]
    lacking += [(f"only in B: {_described(arm)}") for arm in found.only_b]
    return Page(
        kind="Two studies side by side",
        title=f"{a} against {b}",
        question=f"What do the arms of {b} (B) end at beside those of {a} (A), and what differs between the two?",
        answer=answer(found),
        more=(found.why, optimum_sentence(found)),
        state=tuple(_state(found, len(unfinished))),
        gaps=unfinished,
        first=drawn.get("versus_arms"),
        sections=(
            Section(title="Arm by arm", pictures=rest, tables=_some(arms_table(found))),
            Section(title="Where the loss is lowest", tables=_some(optimum_table(found))),
            Section(title="What differs", text=_about_fields(found), tables=_some(fields_table(found))),
            Section(title="Cost", text=_about_cost(found), tables=_some(cost_table(found))),
            Section(title="Arms without a counterpart", items=tuple(lacking)),
            Section(title="How to make it again", commands=(_command(found),)),
        ),
        footer=f"A: {a}, {counted(_done(found.a), 'run')}; B: {b}, {counted(_done(found.b), 'run')}; {found.source}.",
    )


def names(found: Versus) -> tuple[str, str]:
    """Return what the two studies are called; their folders where both have one name."""
    a, b = found.a.question.study, found.b.question.study
    return (a, b) if a != b else (found.a.folder, found.b.folder)


def answer(found: Versus) -> str:
    """Say how far the matched arms of B are from those of A."""
    if not found.matched:
        return "No arm of one study has a counterpart in the other: nothing is compared."
    if found.unit is None or not found.compared:
        why = "the losses cannot be compared" if found.unit is None else "no matched arm has finished runs in both"
        return f"{counted(len(found.matched), 'arm')} match, but {why}."
    if all(pair.difference and pair.difference.how == SAME for pair in found.compared):
        return f"The {counted(len(found.compared), 'matched arm')} are the same runs in both studies."
    overall, unit = found.overall, UNITS[found.unit]
    if overall is None:
        pair = next(pair for pair in found.compared if pair.difference and pair.difference.how != SAME)
        assert pair.difference is not None
        return f"{pair.name}: B ends {_said(pair.difference, unit)}."
    some = sum(1 for pair in found.compared if pair.difference and pair.difference.how != SAME)
    clear = [pair for pair in found.compared if verdict(pair, found) in ("B lower", "B higher")]
    parts = f"of them {len(clear)} differ beyond their intervals, widened for their number" if clear else (
        "none of them differs beyond its interval, widened for their number"
    )  # fmt: skip
    return f"Over {counted(some, 'matched arm')} B ends on average {_said(overall, unit)}; {parts}."


def _said(difference: SeedDifference, unit: str) -> str:
    """Write a difference with its interval."""
    side = "below" if difference.value < 0 else "above"
    half = difference.half()
    if half is None:
        return f"{abs(difference.value):.4f} {unit} {side} A ({counted(difference.n, 'run')}, no interval)"
    low, high = difference.value - half, difference.value + half
    return (
        f"{abs(difference.value):.4f} {unit} {side} A (95 % interval {_signed(low)} to {_signed(high)}, "
        f"{difference.how}, n = {difference.n})"
    )


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def verdict(pair: Matched, found: Versus) -> str:
    """Say which study's arm is lower, by an interval that is widened for the number of arms compared."""
    if pair.difference is None:
        return "not compared"
    if pair.difference.how == SAME:
        return SAME
    half = pair.difference.half(len(found.compared))
    if half is None:
        return "one seed"
    value = pair.difference.value
    return "B lower" if value + half < 0 else "B higher" if value - half > 0 else "not told apart"


def arms_table(found: Versus) -> Table | None:
    """Return each matched arm: both means, and the difference with its interval."""
    unit = UNITS.get(found.unit or "", "")
    columns = (
        Column(name="arm", head="arm", text=True), Column(name="r_a_a", head="r_a A", show=percent),
        Column(name="r_a_b", head="r_a B", show=percent), Column(name="a", head="A", unit=unit, show=fixed(4)),
        Column(name="b", head="B", unit=unit, show=fixed(4)),
        Column(name="difference", head="B − A", unit=unit, show=_signed),
        Column(name="lo", head="95 % low", show=_signed), Column(name="hi", head="95 % high", show=_signed),
        Column(name="how", head="judged", text=True), Column(name="n", head="n"),
        Column(name="verdict", head="verdict", text=True), Column(name="by", head="matched by", text=True),
    )  # fmt: skip
    rows = tuple(_arm(pair, found) for pair in found.matched)
    note = (
        "Judged by seed: mean of the differences of runs of one seed, t interval, n pairs. Welch: two means, n runs. "
        "Each "
        "interval stands alone; the verdict is by one widened for the number of arms (Bonferroni). Matched by numbers: "
        "another name for the same C, N, r_a and K."
    )
    return Table(name="versus_arms", title="Arm by arm", note=note, columns=columns, rows=rows) if rows else None


def _arm(pair: Matched, found: Versus) -> tuple[Cell, ...]:
    gap, unit = pair.difference, found.unit or "loss"
    half = gap.half() if gap else None
    ends = (None, None) if gap is None or half is None else (gap.value - half, gap.value + half)
    means = (pair.a.mean(unit), pair.b.mean(unit)) if found.unit else (None, None)
    judged = (gap.value, *ends, gap.how, gap.n) if gap else (None,) * 5
    return pair.name, pair.a.spec.r_a, pair.b.spec.r_a, *means, *judged, verdict(pair, found), pair.by


def moved(found: Versus) -> list[Moved]:
    """Return the series that both studies have: C and N alike, and data repeated in both or in neither."""
    pairs = []
    left = list(found.b.series)
    for a in found.a.series:
        fitting = [b for b in left if _same_place(a, b)]
        if fitting:
            left.remove(fitting[0])
            pairs.append(Moved(a=a, b=fitting[0]))
    return pairs


def _same_place(a: Series, b: Series) -> bool:
    return same_budget(a.C, b.C) and same_budget(a.N, b.N) and a.repeats == b.repeats


def _optimum(series: Series) -> tuple[float, float | None, float | None] | None:
    best = series.fit.optimum if series.fit else None
    return None if best is None or best.value is None else (best.value, best.lo, best.hi)


def optimum_sentence(found: Versus) -> str:
    """Say whether r_a* differs."""
    pairs = moved(found)
    if not pairs:
        return "No series of the two has one budget and N, so where the loss is lowest is not compared."
    placed = [pair for pair in pairs if pair.ratio]
    if not placed:
        return "No curve places r_a* in both studies: whether it moved cannot be told."
    return " ".join(_moved(pair, several=len(placed) > 1) for pair in placed)


def _moved(pair: Moved, *, several: bool) -> str:
    assert pair.ratio is not None
    value, low, high = pair.ratio
    where = f"At {pair.a.heading}: " if several else ""
    ends = f"{RATIO(low) if low > 0 else 'no lower end'} to {RATIO(high) if high < float('inf') else 'no upper end'}"
    said = "so it differs" if pair.verdict == "differ" else "so the two are not told apart"
    return f"{where}r_a* of B is {RATIO(value)} times that of A (95 % interval {ends}), {said}."


def optimum_table(found: Versus) -> Table | None:
    """Return r_a* of each series of both studies, and their ratio."""
    rates = [Column(name=f"{name}_{each}", head=f"{head} {each.upper()}", show=percent) for each in "ab"
             for name, head in (("r_a", "r_a*"), ("lo", "95 % low"), ("hi", "95 % high"))]  # fmt: skip
    columns = (
        Column(name="series", head="series", text=True), *rates,
        Column(name="ratio", head="B / A", show=RATIO), Column(name="ratio_lo", head="95 % low", show=RATIO),
        Column(name="ratio_hi", head="95 % high", show=RATIO), Column(name="verdict", head="verdict", text=True),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for pair in moved(found):
        ends = [_optimum(each) or (None, None, None) for each in (pair.a, pair.b)]
        share = [None] * 3 if pair.ratio is None else [_finite(end) for end in pair.ratio]
        rows.append((pair.a.heading, *ends[0], *ends[1], *share, pair.verdict))
    note = (
        "r_a* with the interval of its own fit; the ratio takes the two as independent, which shared seeds make "
        "cautious. An end that is open stays open."
    )
    title = "Where the loss is lowest"
    return Table(name="versus_optimum", title=title, note=note, columns=columns, rows=tuple(rows)) if rows else None


def _finite(value: float) -> float | None:
    return value if 0 < value < float("inf") else None


def fields_table(found: Versus) -> Table | None:
    """Return every field in which questions, matched runs or environments differ."""
    columns = (
        Column(name="where", head="of", text=True), Column(name="field", head="field", text=True),
        Column(name="a", head="A", text=True), Column(name="b", head="B", text=True), Column(name="arms", head="arms"),
    )  # fmt: skip
    rows = tuple((each.where, each.name, each.a, each.b, each.arms) for each in found.fields)
    note = "Of runs: the settings of matched arms, with the number of arms in which they differ; numbers to six digits."
    return Table(name="versus_fields", title="What differs", note=note, columns=columns, rows=rows) if rows else None


def _about_fields(found: Versus) -> tuple[str, ...]:
    causes = [each.name for each in found.fields if each.where == "runs"]
    if not found.matched:
        return ()
    if not causes:
        return ("Matched arms have the same settings throughout.",)
    if len(causes) == 1:
        return (f"Matched arms differ in {causes[0]} alone.",)
    text = f"Matched arms differ in {len(causes)} fields: {listed(causes, 8)}."
    return (f"{text} A difference cannot be laid to one of them.",)


def cost_table(found: Versus) -> Table | None:
    """Return time, speed and memory of each matched arm in both studies."""
    pairs = (("wall_s", "wall time", "s", fixed(1)), ("tokens_per_s", "speed", "tokens/s", format_quantity),
             ("peak_memory_bytes", "peak memory", "bytes", format_quantity))  # fmt: skip
    columns = [Column(name="arm", head="arm", text=True)]
    for name, head, unit, show in pairs:
        columns += [Column(name=f"{name}_{each}", head=f"{head} {each.upper()}", unit=unit, show=show) for each in "ab"]
        columns.append(Column(name=f"{name}_ratio", head="B / A", show=RATIO))
    rows = [(pair.name, *_costs(pair, [name for name, *_ in pairs])) for pair in found.matched]
    totals = [sum(r.wall_s for r in each.records) for each in (found.a, found.b)]
    rows.append(("total", *totals, totals[1] / totals[0] if totals[0] else None, *(None,) * 6))
    note = "Means over the finished runs of an arm; the total is the time of all runs of each study."
    return Table(name="versus_cost", title="Cost", note=note, columns=tuple(columns), rows=tuple(rows))


def _costs(pair: Matched, wanted: Sequence[str]) -> list[Cell]:
    cells: list[Cell] = []
    for name in wanted:
        a, b = (mean_of(getattr(record, name) for record in arm.done) for arm in (pair.a, pair.b))
        cells += [a, b, b / a if a and b is not None else None]
    return cells


def _about_cost(found: Versus) -> tuple[str, ...]:
    devices = [sorted({r.environment.device for r in each.records}) for each in (found.a, found.b)]
    if devices[0] == devices[1]:
        return ()
    return (f"A ran on {listed(devices[0])}, B on {listed(devices[1])}: times and speeds compare the devices too.",)


def summary(found: Versus) -> dict[str, Any]:
    """Return the key numbers for machines."""
    a, b = names(found)
    overall = found.overall
    return {
        "a": a,
        "b": b,
        "unit": found.unit,
        "overall": _numbers(overall) if overall else None,
        "arms": {
            p.name: {**_numbers(p.difference), "verdict": verdict(p, found)} for p in found.matched if p.difference
        },
        "only_a": [arm.label for arm in found.only_a],
        "only_b": [arm.label for arm in found.only_b],
        "optimum": {pair.a.heading: _ratio_numbers(pair) for pair in moved(found)},
        "differs": [each.name for each in found.fields],
    }


def _numbers(difference: SeedDifference) -> dict[str, Any]:
    half = difference.half()
    ends = (None, None) if half is None else (difference.value - half, difference.value + half)
    return {"value": difference.value, "lo": ends[0], "hi": ends[1], "how": difference.how, "n": difference.n}


def _ratio_numbers(pair: Moved) -> dict[str, Any]:
    value, low, high = pair.ratio or (None, None, None)
    ends = [None if end is None else _finite(end) for end in (low, high)]
    return {"ratio": value, "lo": ends[0], "hi": ends[1], "verdict": pair.verdict}


def _state(found: Versus, missing: int) -> list[str]:
    said = [f"Partial: {counted(missing, 'planned run')} of the two studies not done."] if missing else []
    simulated = [name for name, each in (("A", found.a), ("B", found.b)) if each.source == "simulated"]
    if simulated:
        said.append(f"Simulated: the losses of {' and '.join(simulated)} were drawn from a law, not measured.")
    return said


def _described(arm: Arm) -> str:
    return f"{arm.label} (r_a {percent(arm.spec.r_a)}, {counted(len(arm.done), 'finished run')})"


def _some(table: Table | None) -> tuple[Table, ...]:
    return (table,) if table else ()


def _command(found: Versus) -> str:
    return f"python -m scaling.report {found.a.command_folder} {found.b.command_folder}"


def _done(evidence: Evidence) -> int:
    return sum(1 for run in evidence.runs if run.done)
