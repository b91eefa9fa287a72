"""python benchmarks/fitting.py [--peer DIR]

Time the bootstrap of L = E + A/N^alpha + B/D^beta on the 234 published points, 1,000 replicates under Huber(0.001), in
one process on one thread, against scipy's least_squares(loss="huber") from the same best fit, and against the package
`chinchilla` of PyPI where it can be imported (DIR: where it was installed with pip install --target).
Prints what each took, how many replicates each left above the best known objective, and how the time grows with
replicates and rows.
"""

import argparse
import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from fits import LAWS, read_table
from fits.laws.law import Law
from fits.surface.bootstrap import resample
from fits.surface.fitting_problem import Problem
from fits.surface.search import solve, solve_many
from planners.published import published

REPLICATES, ROUNDS, DELTA, NEAR = 1000, 5, 1e-3, 1e-6
PEER_REPLICATES = 10
TOLERANCES = {"default 1e-8": 1e-8, "1e-15": 1e-15}


def points() -> Problem:
    """Return the problem of the 234 points."""
    runs = published("chinchilla_kyotakano234")
    table = read_table(runs.path, runs.columns)
    law = LAWS["chinchilla"]
    assert isinstance(law, Law)
    return Problem(
        law=law, columns={name: table.numbers(name) for name in ("N", "D")}, loss=table.numbers("loss"), delta=DELTA
    )


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Return the seconds that `action` takes, and what it returns."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def draws(rows: int, count: int) -> np.ndarray:
    """Return the rows of each replicate, shape (count, rows)."""
    random = np.random.default_rng(0)
    return np.array([random.integers(rows, size=rows) for _ in range(count)])


def weights_of(drawn: np.ndarray) -> np.ndarray:
    """Return how often each row was drawn, shape (count, rows)."""
    return np.array([np.bincount(rows, minlength=drawn.shape[1]) for rows in drawn], float)


def by_scipy(problem: Problem, start: np.ndarray, drawn: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the objective of each replicate, fitted one after another from `start` with the exact Jacobian."""
    from scipy.optimize import least_squares

    log_n, log_d, log_loss = problem.logs["N"], problem.logs["D"], problem.target
    found = np.empty(len(drawn))
    for at, rows in enumerate(drawn):
        x, y, z = log_n[rows], log_d[rows], log_loss[rows]

        def residuals(theta: np.ndarray, x: np.ndarray = x, y: np.ndarray = y, z: np.ndarray = z) -> np.ndarray:
            a, b, e, alpha, beta = theta
            return np.log(np.exp(a - alpha * x) + np.exp(b - beta * y) + np.exp(e)) - z

        def jacobian(theta: np.ndarray, x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            a, b, e, alpha, beta = theta
            n, d = np.exp(a - alpha * x), np.exp(b - beta * y)
            total = n + d + np.exp(e)
            n, d = n / total, d / total
            return np.column_stack([n, d, 1 - n - d, -n * x, -d * y])

        stop = {"ftol": tolerance, "xtol": tolerance, "gtol": tolerance}
        options = {"loss": "huber", "f_scale": DELTA, "x_scale": "jac", "max_nfev": 1000}
        found[at] = least_squares(residuals, start, jacobian, **options, **stop).cost
    return found


def by_peer(problem: Problem, start: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the objective of each replicate, fitted by PyPI's chinchilla from `start`, its plots left out."""
    import pandas as pd

    package = importlib.import_module("chinchilla")
    log_huber = partial(importlib.import_module("chinchilla._metrics").log_huber, delta=DELTA)
    names = ("e", "a", "b", "alpha", "beta")
    grid = dict(zip(names, ([value] for value in start[[2, 0, 1, 3, 4]]), strict=True))
    found = np.empty(len(drawn))
    with tempfile.TemporaryDirectory() as folder:
        peer = package.Chinchilla(folder, param_grid=grid, loss_fn=log_huber, log_level=50)
        peer.visualizer.optim = lambda *_, **__: None
        for at, rows in enumerate(drawn):
            N, D, loss = problem.columns["N"][rows], problem.columns["D"][rows], problem.loss[rows]
            peer.database.df = pd.DataFrame({"C": 6 * N * D, "N": N, "D": D, "loss": loss})
            peer.fit(parallel=False)
            end = [np.log(peer.A), np.log(peer.B), np.log(peer.E), peer.alpha, peer.beta]
            found[at] = problem.take(rows).objective(np.array(end, float))
    return found


def report(name: str, seconds: float, count: int, found: np.ndarray, best: np.ndarray) -> None:
    """Print one line: time a replicate, and how far from the best known objectives the replicates ended."""
    above = found / best - 1
    print(
        f"{name:34} {1e3 * seconds / count:9.3f} ms a replicate ({count:4d} in {seconds:7.2f} s); "
        f"{int((above > NEAR).sum()):4d} above the best known by more than {NEAR:g}, at most {above.max():.1e}"
    )


def compare(problem: Problem, theta: np.ndarray, peer: bool) -> None:
    """Print the comparison; ours and scipy's take turns, a part of the replicates at a time."""
    drawn = draws(len(problem.loss), REPLICATES)
    ours, theirs = [], dict.fromkeys(TOLERANCES, 0.0)
    found = {name: np.empty(REPLICATES) for name in TOLERANCES}
    for part in np.array_split(np.arange(REPLICATES), ROUNDS):
        seconds, ends = timed(lambda: solve_many(problem, theta, weights=weights_of(drawn)))
        ours.append(seconds)
        for name, tolerance in TOLERANCES.items():
            seconds, found[name][part] = timed(lambda t=tolerance, p=part: by_scipy(problem, theta, drawn[p], t))
            theirs[name] += seconds
    best = np.minimum.reduce([ends.objective, *found.values()])
    weights = weights_of(drawn)
    for start in problem.law.starts(problem.law, problem.logs, problem.target):
        best = np.minimum(best, solve_many(problem, start, weights=weights).objective)
    middle = statistics.median(ours)
    report("ours, all together", middle, REPLICATES, ends.objective, best)
    for name in TOLERANCES:
        report(f"scipy one by one, tolerance {name}", theirs[name], REPLICATES, found[name], best)
    print(
        f"ours: median of {ROUNDS} times, {min(ours):.3f} to {max(ours):.3f} s; best known: the lowest of these and of"
    )
    print("16 other starts of every replicate. scipy over ours: " + ", ".join(
        f"{theirs[name] / middle:.1f} ({name})" for name in TOLERANCES
    ))  # fmt: skip
    if not peer:
        print("chinchilla of PyPI: not compared, for it cannot be imported here; say where it is with --peer DIR")
        return
    few = drawn[:PEER_REPLICATES]
    seconds, objectives = timed(lambda: by_peer(problem, theta, few))
    report("chinchilla of PyPI, plots left out", seconds, PEER_REPLICATES, objectives, best[:PEER_REPLICATES])
    ratio = seconds / PEER_REPLICATES / (middle / REPLICATES)
    print(f"chinchilla over ours: {ratio:.0f}, from {PEER_REPLICATES} replicates")


def growth(problem: Problem) -> None:
    """Print the time of the bootstrap over replicates, and of fit and bootstrap over simulated rows."""
    best = solve(problem)
    for count in (1000, 3000, 10_000):
        seconds, _ = timed(lambda c=count: resample(problem, best, c, 0))
        each = 1e3 * seconds / count
        print(f"{count:7d} replicates of {len(problem.loss)} rows {seconds:8.2f} s, {each:8.3f} ms a replicate")
    random = np.random.default_rng(0)
    for rows in (1000, 10_000, 100_000):
        columns = {"N": np.exp(random.uniform(17, 24, rows)), "D": np.exp(random.uniform(21, 27, rows))}
        exact = problem.law.loss({"A": 442.2, "B": 1271.8, "E": 1.784, "alpha": 0.3426, "beta": 0.342}, columns)
        many = Problem(
            law=problem.law, columns=columns, loss=exact * np.exp(0.005 * random.standard_normal(rows)), delta=DELTA
        )
        fit, best = timed(lambda m=many: solve(m))
        boot, _ = timed(lambda m=many, b=best: resample(m, b, 20, 0))
        print(f"{rows:7d} rows: one fit {fit:7.3f} s, {1e6 * fit / rows:6.1f} us a row; 20 replicates {boot:7.3f} s, "
              f"{1e6 * boot / rows:6.1f} us a row")  # fmt: skip


def main() -> int:
    """Print the tables."""
    flags = argparse.ArgumentParser(description="time the fits")
    flags.add_argument("--peer", metavar="DIR", help="where PyPI's chinchilla was installed with pip install --target")
    folder = flags.parse_args().peer
    if folder:
        sys.path.append(folder)
    problem = points()
    solve(problem)
    times = [timed(lambda: solve(problem))[0] for _ in range(20)]
    best = solve(problem)
    print(f"numpy {np.__version__}, OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}")
    middle, least = 1e3 * statistics.median(times), 1e3 * min(times)
    print(f"one fit, {best.starts} starts: {middle:.1f} ms (median of 20, least {least:.1f})")
    compare(problem, best.theta, peer=_importable("chinchilla"))
    growth(problem)
    return 0


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
