"""The small-study table and the router grid, made anew from run folders whatever has ended."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.record import RunRecord
from planners import RunSpec, Study, preset
from planners.varied_fields import Varied
from reports.page.figure import drawn
from reports.study.evidence import Evidence, read_evidence
from reports.study.evidence.router_grid import RouterGrid, RouterSetting, certainty, grids, improvement
from reports.study.figures import FIGURES
from reports.study.tables import make_tables

JITTERS, FACTORS = (0.0, 0.05), (1.0, 1.5, None)
ROUTERS = replace(
    preset("smoke"),
    study="routers",
    seeds=(0, 1),
    vary=(Varied(field="router.jitter", values=JITTERS), Varied(field="router.capacity_factor", values=FACTORS)),
)


def loss_of(spec: RunSpec) -> float:
    """Return losses that fall with the capacity factor, 0.01 apart between seeds; dense lies at 3."""
    if spec.shape.is_dense:
        return 3.0 + 0.01 * spec.training.seed
    factor = spec.router.capacity_factor or 2.0
    return 3.1 - 0.1 * factor + spec.router.jitter + 0.001 * spec.shape.top_k + 0.01 * spec.training.seed


@pytest.fixture(scope="module")
def routers(make: Callable[..., Study], tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Three MoE arms, each with every router setting, two seeds; the second evaluation on the way is the lowest."""
    study = make(tmp_path_factory.mktemp("routers") / "routers", ROUTERS, loss_of, fit=False)
    for spec in study.runs():
        path = study.run_folder(spec.run_id) / "metrics.jsonl"
        values = [4.0, loss_of(spec) - 0.02, None]
        lines = [
            {"step": i, "D": 10 * i, "loss": 3.5, "val_loss": value, "tokens_per_s": 2e4 + 1e4 * (i == 2)}
            for i, value in enumerate(values, 1)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return study


@pytest.fixture(scope="module")
def evidence(routers: Study) -> Evidence:
    return read_evidence(routers)


def test_the_table_has_the_columns_of_small_studies_and_the_numbers_of_the_runs(
    routers: Study, evidence: Evidence
) -> None:
    table = make_tables(evidence)["small_study"]
    names = [column.name for column in table.columns]
    expected = ["run", "final_val_ppl", "best_val_ppl", "max_tok_s", "peak_mem_mb", "ppl_improve_vs_base_%"]
    assert names == expected
    by_run = {row[0]: row[1:] for row in table.rows}
    assert len(by_run) == len(table.rows) == len(routers.runs())
    for arm in evidence.arms:
        for run in arm.runs:
            final, best, speed, memory, gain = by_run[f"{arm.label}, seed {run.spec.training.seed}"]
            loss = loss_of(run.spec)
            assert final == pytest.approx(math.exp(loss))
            assert best == pytest.approx(math.exp(loss - 0.02))
            assert speed == 3e4
            assert memory == pytest.approx(412.0)
            base = math.exp(3.0 + 0.01 * run.spec.training.seed)
            assert (gain is None) if arm.is_dense else (gain == pytest.approx(100 * (base - math.exp(loss)) / base))


def test_there_is_one_grid_for_each_shape(evidence: Evidence) -> None:
    found = grids(evidence)
    assert len(found) == len({arm.spec.shape for arm in evidence.moe}) == 3
    for grid in found:
        assert grid.jitters == sorted(JITTERS)
        assert grid.capacities == [1.0, 1.5, None]
        assert len(grid.cells) == 6
        assert (grid.best.jitter, grid.best.capacity) == (0.0, None)
        assert grid.noise == pytest.approx(0.01 / math.sqrt(2))
        assert [name for name, _ in grid.lines] == ["dense"]
        assert all(len(cell.perplexities) == 2 for cell in grid.cells)
    table = make_tables(evidence)["router_grid"]
    assert len(table.rows) == 18


def test_the_tables_show_them_again_after_another_run_has_ended(make: Callable[..., Study], tmp_path: Path) -> None:
    def change(spec: RunSpec, made: RunRecord) -> RunRecord | None:
        return None if spec.router.jitter and spec.router.capacity_factor == 1.0 else made

    study = make(tmp_path / "routers", ROUTERS, loss_of, fit=False, change=change)
    first = make_tables(read_evidence(study))["router_grid"]
    make(tmp_path / "routers", ROUTERS, loss_of, fit=False)
    second = make_tables(read_evidence(study))["router_grid"]
    assert len(first.rows) == 15
    assert len(second.rows) == 18
    assert "small_study" in make_tables(read_evidence(study))


def test_a_run_without_a_record_shows_what_its_metrics_say(routers: Study, tmp_path: Path) -> None:
    import shutil

    copy = Study(Path(shutil.copytree(routers.folder, tmp_path / "live")))
    spec = next(spec for spec in copy.runs() if not spec.shape.is_dense)
    (copy.run_folder(spec.run_id) / "record.json").unlink()
    never = next(spec for spec in reversed(copy.runs()) if not spec.shape.is_dense)
    shutil.rmtree(copy.run_folder(never.run_id))
    evidence = read_evidence(copy)
    table = make_tables(evidence)["small_study"]
    assert len(table.rows) == len(copy.runs()) - 1
    arm = next(arm for arm in evidence.arms if spec in [run.spec for run in arm.runs])
    row = next(row for row in table.rows if row[0] == f"{arm.label}, seed {spec.training.seed}")
    assert row[1] is None
    assert row[2] == pytest.approx(math.exp(loss_of(spec) - 0.02))
    assert row[5] is None


def test_a_study_of_one_router_has_neither(wide: Study) -> None:
    evidence = read_evidence(wide)
    assert not {"small_study", "router_grid"} & set(make_tables(evidence))
    assert not FIGURES["router_grid"].has_data(evidence)


def test_the_figure_writes_every_number_into_its_cell(evidence: Evidence) -> None:
    figure, grid = FIGURES["router_grid"], grids(evidence)[0]
    axes = drawn(figure, evidence).axes[0]
    texts = {text.get_gid(): text.get_text() for text in axes.texts}
    for i, jitter in enumerate(grid.jitters):
        for j, capacity in enumerate(grid.capacities):
            cell = grid.at(jitter, capacity)
            assert cell is not None
            assert texts[f"cell {i} {j}"] == f"{cell.mean:.3f}\nn = 2"
    frame = next(patch for patch in axes.patches if patch.get_gid() == "best")
    assert (round(frame.get_x() + 0.48), round(frame.get_y() + 0.47)) == (2, 0)
    assert figure.alt(evidence).index("dropless") < figure.alt(evidence).index("capacity 1:")


def test_numbers_in_the_cells_are_read_on_the_darkest_of_them(evidence: Evidence) -> None:
    """WCAG asks for a contrast of 4.5 between text and ground."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    from reports.page.figure import INK
    from reports.study.figures.router_grid import DARKEST

    def luminance(color: tuple[float, ...]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ground, text = luminance(colormaps["Greys"](DARKEST)), luminance(to_rgb(INK))
    assert (ground + 0.05) / (text + 0.05) > 4.5


def test_one_seed_a_cell_is_said() -> None:
    cells = (
        RouterSetting(jitter=0.0, capacity=1.0, perplexities=(7.0,)),
        RouterSetting(jitter=0.1, capacity=1.0, perplexities=(6.9,)),
    )
    grid = RouterGrid(of="8 experts", cells=cells, lines=(), source="measured here")
    assert "One seed for each setting" in certainty(grid)
    assert grid.noise is None
    two = replace(grid, cells=tuple(replace(cell, perplexities=(*cell.perplexities, 7.1)) for cell in cells))
    assert "One seed" not in certainty(two)


def test_improvement_is_a_share_of_the_baseline() -> None:
    assert improvement(6.771634, 7.120125) == 4.894450588999493
    assert improvement(8.0, 4.0) == -100.0
