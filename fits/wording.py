"""A fit as text for a person, after the manner of lmfit's report: where a number is missing, the reason is named."""

from fits.result import FitResult, Optimum, Param


def summary(result: FitResult) -> str:
    """Return the fit as a few lines: what was fitted, how well, the parameters, the optimum, and what to know."""
    lines = [f"[[{result.law}]] {result.formula}", *_statistics(result), "[[Parameters]]", *_parameters(result)]
    if result.optimum:
        lines += ["[[Optimum]]", *_optimum(result.optimum)]
    if result.blocks:
        blocks = result.blocks
        lines += [
            f"[[Blocks]] {blocks.n} values of {blocks.by}",
            f"    residual SD {blocks.sd:.3g} with blocks, {blocks.plain_sd:.3g} without",
            "    without blocks:",
            *("    " + line for line in _optimum(blocks.plain)),
        ]
    lines += [f"[[Left out]] row {one.row}: {one.reason}" for one in result.dropped]
    lines += [f"[[Note]] {note}" for note in result.notes]
    return "\n".join(lines)


def _statistics(result: FitResult) -> list[str]:
    lines = [
        f"    data        {result.data}: n = {result.n}, dof = {result.dof}",
        f"    status      {result.status}" + (f": {result.reason}" if result.reason else ""),
        f"    objective   {_number(result.objective, 9)} ({result.objective_name})",
        f"    residual SD {_number(result.residual_sd)}",
        f"    intervals   {result.interval}",
    ]
    if result.search:
        search = result.search
        gradient = _number(search.gradient, 2)
        lines.append(f"    search      {search.agreeing} of {search.starts} starts agree, relative gradient {gradient}")
    lines += [f"    {name:<11} {_number(ends[0])} to {_number(ends[1])}" for name, ends in result.domain.items()]
    return lines


def _parameters(result: FitResult) -> list[str]:
    return [f"    {name:<6} {_param(param)}" for name, param in result.params.items()]


def _param(param: Param) -> str:
    if param.value is None:
        return f"not given: {param.status}"
    status = "" if param.status == "converged" else f" ({param.status})"
    if param.lo is None or param.hi is None:
        return f"{_number(param.value, 6)} (no interval){status}"
    return f"{_number(param.value, 6)} (95 %: {_number(param.lo)} to {_number(param.hi)}){status}"


def _optimum(optimum: Optimum) -> list[str]:
    shown = "not given" if optimum.value is None else _number(optimum.value)
    lines = [f"    {optimum.of} = {shown} (95 %: {_ends((optimum.lo, optimum.hi))})"]
    lines.append(f"    {optimum.status}: {optimum.reason}")
    if optimum.region and optimum.margin:
        lines.append(f"    within {optimum.margin:g} nats of it: {_ends(optimum.region)}")
    return lines


def _ends(ends: tuple[float | None, float | None]) -> str:
    lo, hi = ends
    if lo is None and hi is None:
        return "open at both ends"
    if lo is None:
        return f"below {_number(hi)}"
    return f"above {_number(lo)}" if hi is None else f"{_number(lo)} to {_number(hi)}"


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}g}"
