"""What the tests of the reports share: studies on disk whose losses are chosen, without training anything."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fits import fit_study, read_table
from jobs.record import Environment, RoutingHealth, RunRecord, collect, write_record
from planners import Corpus, Data, Question, RunSpec, Study, make_plan, preset
from planners.matching.frame import Geometry
from planners.presets import PRESETS
from reports import Report, write_report

Loss = Callable[[RunSpec], float]
Change = Callable[[RunSpec, RunRecord], RunRecord | None]

BYTES = math.log(2) * 1.0
"""Nats per bit, one byte a token."""

WIDE = Question(
    study="wide",
    total_params=3e6,
    budgets=(3e13,),
    activations=(1.0, 0.07, 0.12, 0.17, 0.25, 0.4, 0.6),
    seeds=(0, 1, 2),
    data="stdlib",
    eval_windows=64,
    moe=Geometry(d_model=96, n_layers=4, n_heads=2),
    margin=0.005,
)
"""Five MoE rates and three seeds: enough to place an optimum."""

ENVIRONMENT = Environment(
    version="0.1", commit="0123456789ab", code="0123456789ab", python="3.11", torch="2.13", device="a processor",
    host="here",
    started="2026-01-01T00:00:00Z", ended="2026-01-01T00:01:00Z",
)  # fmt: skip


def parabola(best: float, bend: float = 0.03, noise: float = 0.002) -> Loss:
    """Return losses that are lowest at r_a = `best`, with noise by arm, budget and seed; dense lies above."""

    def loss(spec: RunSpec) -> float:
        draw = random.Random(f"{spec.arm} {spec.C:.2g} {spec.training.seed}").gauss(0, noise)
        draw += random.Random(spec.training.seed).gauss(0, noise)
        dense = 0.12 if spec.shape.is_dense else 0.0
        return 2.5 + bend * math.log(spec.r_a / best) ** 2 * (not spec.shape.is_dense) + dense + draw

    return loss


def record(spec: RunSpec, loss: float) -> RunRecord:
    """Return the record of a finished run."""
    health = RoutingHealth(max_load=1.8, load_cv=0.31, dead_experts=0, dropped=0.0, entropy=0.83)
    return RunRecord(
        spec=spec, state="done", loss=loss, bpb=loss / BYTES, train_loss=loss - 0.03, D_seen=spec.training.D,
        wall_s=spec.training.D / 2e4, tokens_per_s=2.1e4, peak_memory_bytes=412_000_000,
        routing=None if spec.shape.is_dense else health, environment=ENVIRONMENT,
    )  # fmt: skip


def write_metrics(study: Study, spec: RunSpec, loss: float) -> None:
    """Write a loss curve of 100 points that ends near `loss`."""
    draw, lines = random.Random(spec.run_id), []
    for i in range(1, 101):
        mean = loss + (5.5 - loss) * (i / 4 + 1) ** -1.2 + draw.gauss(0, 0.02)
        lines.append(json.dumps({"step": i, "D": spec.training.D * i // 100, "loss": mean, "wall_s": i / 10}))
    (study.run_folder(spec.run_id) / "metrics.jsonl").write_text("\n".join(lines) + "\n")


def build(
    folder: Path,
    question: Question,
    loss: Loss,
    *,
    change: Change | None = None,
    fit: bool = True,
    data: str = "stdlib",
    fingerprint: str = "0" * 16,
) -> Study:
    """Write a study with a record and a loss curve for each run, and the quadratic fitted to them."""
    study = Study(folder)
    corpus = Corpus(
        data=Data(name=data, fingerprint=fingerprint), vocab_size=256, train_tokens=10**11, validation_tokens=10**7
    )
    plan = make_plan(question, corpus)
    known = question.study in PRESETS and question == PRESETS[question.study]()
    study.write(plan, f"python -m scaling.study {question.study}" if known else None, "study" if known else "plan")
    for spec in plan.runs:
        value = loss(spec)
        made = record(spec, value)
        final = change(spec, made) if change else made
        if final is not None:
            write_record(study, final)
            write_metrics(study, spec, value)
    if fit and any(row["state"] == "done" and row["n_experts"] for row in collect(study)):
        fit_study(read_table(study.runs_csv), ["quadratic"], folder=study.fits, margin=question.margin)
    return study


def smoke_loss(spec: RunSpec) -> float:
    """Return losses like those of the smallest study: MoE below dense, K 4 lowest."""
    return {"dense": 3.021, "K1": 2.934, "K4": 2.898, "K16": 2.951}[spec.arm]


@pytest.fixture(scope="session")
def make() -> Callable[..., Study]:
    """The builder of studies."""
    return build


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are not drawn, for tests of what stands around them: drawing takes seconds."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path id="a" d="M0 0h9"/><use href="#a"/></svg>'
    monkeypatch.setattr("reports.page.figure.render", lambda figure, data: {"svg": svg, "pdf": b"%PDF", "png": b"PNG"})


@pytest.fixture(scope="session")
def smoke_report(smoke: Study, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of `smoke`, with its figures. Read only."""
    return write_report(smoke, tmp_path_factory.mktemp("reports") / "smoke")


@pytest.fixture
def question() -> Question:
    """What `wide` asks."""
    return WIDE


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One seed, three MoE rates: nothing is left to judge the curve by. Read only."""
    return build(tmp_path_factory.mktemp("studies") / "smoke", preset("smoke"), smoke_loss)


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Five MoE rates, three seeds, lowest near 20 %. Read only."""
    return build(tmp_path_factory.mktemp("studies") / "wide", WIDE, parabola(0.2))


@pytest.fixture
def broken(tmp_path: Path) -> Study:
    """A smoke study with a failed, a diverged and a missing run."""

    def change(spec: RunSpec, made: RunRecord) -> RunRecord | None:
        if spec.arm == "K1":
            return None
        if spec.arm in ("K4", "K16"):
            state, error = ("failed", "out of memory") if spec.arm == "K4" else ("diverged", "loss is NaN at step 7")
            return replace(made, state=state, loss=None, bpb=None, routing=None, error=error)
        return made

    return build(tmp_path / "smoke", preset("smoke"), smoke_loss, change=change)
