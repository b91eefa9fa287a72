"""Simulated studies that have everything a figure can show: budgets, sizes, repeated data, times, loads, loss curves.

Losses come from a known curve with noise, times from an invented speed. Every record says `simulated`.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fits import fit_study, read_table
from fits.runs.table import from_records
from fits.simulate.coverage import Noise
from fits.simulate.truth import truth_of
from jobs.record import Environment, RoutingHealth, RunRecord, collect, planned, write_record
from planners import Corpus, Data, Question, RunSpec, Study, make_plan, preset
from planners.records.files import write_jsonl
from planners.varied_fields import Varied

BUDGETS = replace(
    preset("smoke"),
    study="sample",
    budgets=(5e11, 1e12, 2e12),
    top_ks=(0, 1, 2, 4, 8, 16),
    seeds=(0, 1, 2),
    unique_tokens=("fresh", "strict"),
    controls=("optimal", "active:K4"),
)
"""Three budgets, six arms, three seeds, fresh and repeated data, two dense controls."""
SIZES = replace(
    BUDGETS,
    study="sample-sizes",
    budgets=(5e11, 2e12),
    total_params=(296e3, 600e3),
    unique_tokens="fresh",
    controls=(),
    moe=replace(BUDGETS.moe, d_expert=16),
    dense=replace(BUDGETS.dense, d_model=None, n_layers=None, n_heads=None),
)
"""Two sizes at two budgets."""
JITTER = Varied(field="router.jitter", values=(0.0, 0.01, 0.05))
CAPACITY = Varied(field="router.capacity_factor", values=(1.0, 1.25, 1.5))
ROUTERS = replace(preset("smoke"), study="sample-routers", budgets=(5e11,), top_ks=(0, 2), vary=(JITTER, CAPACITY))
"""A grid of router settings."""
ALONE = replace(BUDGETS, study="sample-a", budgets=(1e12,), unique_tokens="fresh", controls=())
PAIR = (ALONE, replace(ALONE, study="sample-b", seeds=(3, 4, 5, 6)))
"""Two studies of the same arms with other seeds."""
SAMPLES = {
    "A study of three budgets, fresh and repeated data": BUDGETS,
    "A study of two sizes at two budgets": SIZES,
    "A study of router settings": ROUTERS,
}
"""Heading in the gallery -> question of the study."""
TRUTH = {"best": 0.19, "bend": 0.08, "skew": -0.02, "move": -0.15, "dense": 0.03}
NOISE = 0.006
"""SD of the noise of a run, and of the effect of a seed on all its runs, nats per token."""
CORPUS = Corpus(
    data=Data(name="simulated tokens", fingerprint="0" * 16),
    vocab_size=256,
    train_tokens=10**11,
    validation_tokens=10**7,
)
SIMULATED = Environment(
    version="simulated",
    commit=None,
    code="simulated",
    python="none",
    torch="none",
    device="simulated",
    host="simulated",
    started="2000-01-01T00:00:00Z",
    ended="2000-01-01T00:00:00Z",
)
REPEATED = 0.008
"""Loss for one unit of (epochs - 1)^2 / (2 epochs), nats."""
SPEED, UTILISATION = 4e9, 0.6
"""Invented FLOP/s of a dense arm, and the share of it that a MoE arm reaches."""
LAWS = ("cubic", "quadratic", "spline")
"""Laws that are fitted to the runs and compared."""
POINTS = 60
"""Points of a loss curve."""


def write_sample(
    folder: Path, question: Question = BUDGETS, *, laws: Sequence[str] = LAWS, points: int = POINTS
) -> Study:
    """Write a study with this question, simulated runs and fits to `folder`, and return it; the same losses every time.

    `laws` are fitted; each run has a loss curve of `points` points.
    """
    study = write_runs(folder, question, points=points)
    fit_study(read_table(study.runs_csv), laws, folder=study.fits, margin=question.margin)
    return study


def write_runs(folder: Path, question: Question, *, points: int = POINTS) -> Study:
    """Write the study of `write_sample` without its fits, and return it."""
    study = Study(folder)
    plan = make_plan(question, CORPUS)
    study.write(plan)
    for spec, loss in zip(plan.runs, _losses(plan.runs), strict=True):
        write_record(study, _record(spec, loss))
        write_jsonl(study.run_folder(spec.run_id) / "metrics.jsonl", list(_curve(spec, loss, points)))
    collect(study)
    return study


def _losses(specs: tuple[RunSpec, ...]) -> list[float]:
    table = from_records([{**planned(spec), "loss": 1.0} for spec in specs], source="simulated")
    noise = Noise(sd=NOISE, seed_sd=NOISE).draw(table, np.random.default_rng(0))
    repeats = np.maximum(table.numbers("epochs") - 1, 0)
    size = -0.03 * np.log(table.numbers("N") / 296e3)
    losses = truth_of("cubic", TRUTH, table).losses(table) + noise + size * table.routed()
    return [float(loss) for loss in losses + REPEATED * repeats**2 / (2 * (repeats + 1))]


def _record(spec: RunSpec, loss: float) -> RunRecord:
    draw = random.Random(spec.run_id)
    speed = SPEED * (1 if spec.shape.is_dense else UTILISATION) * draw.uniform(0.97, 1.03)
    seconds = spec.C / speed
    return RunRecord(
        spec=spec,
        state="done",
        loss=loss,
        bpb=loss / math.log(2) / 2,
        D_seen=spec.training.D,
        wall_s=1.05 * seconds,
        tokens_per_s=spec.training.D / seconds,
        peak_memory_bytes=400_000_000,
        routing=None if spec.shape.is_dense else _health(spec.shape.top_k, draw),
        environment=SIMULATED,
        flags=("simulated",),
    )


def _health(top_k: int, draw: random.Random) -> RoutingHealth:
    max_load = 1.3 + 4 / top_k**0.7 * draw.uniform(0.8, 1.2)
    dead = draw.randint(0, 2) if top_k == 1 else 0
    return RoutingHealth(
        max_load=max_load, load_cv=0.3, dropped=0.0, dead_experts=dead, entropy=draw.uniform(0.82, 0.9)
    )


def _curve(spec: RunSpec, loss: float, points: int) -> Iterator[dict[str, float]]:
    draw = random.Random(spec.run_id)
    for line in range(1, points + 1):
        share = line / points
        mean = loss + 2.8 * (1 / (1 + 30 * share) - 1 / 31) + draw.gauss(0, 0.02)
        yield {"step": line, "D": float(spec.training.D * line // points), "loss": mean}
