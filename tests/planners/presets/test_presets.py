"""Presets against their sources: sizes, tokens, learning rates, and the runs that they plan."""

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import planners
import scaling
from jobs.corpora.names import parse
from planners import Plan, UsageError, make_plan, preset
from planners.architecture.devices import device
from planners.architecture.memory import memory
from planners.claims import check_claims, claims_of
from planners.forecast import Speed, forecast, total
from planners.presets import PRESETS, SIZED
from planners.presets.tinystories import shape
from planners.published.li2025.rows import Li2025Run, li2025_runs

RUNS = {
    "smoke": 4, "laptop": 27, "laptop-grid": 108, "laptop-tuning": 56, "laptop-surface": 360,
    "laptop-surface-tuning": 110, "laptop-topk": 56, "laptop-reuse": 68, "gpu-day": 90, "tinystories-moe": 13,
    "li2025-2b": 27, "li2025-3b": 20, "li2025-7b": 27,
}  # fmt: skip
SETTINGS = {"task-conflict": 328, "task-conflict-tuning": 144, "interference": 308, "encoder-moe": 84}
"""Presets whose settings name generated corpora, which are always at hand."""
REFUSED = {"laptop-surface-tuning": 2, "laptop-topk": 2}
"""Refused cells: too few steps of a large batch at the smallest C; K = 1 with renormalised gates."""
OURS = (
    "smoke",
    "laptop",
    "laptop-grid",
    "laptop-tuning",
    "laptop-surface",
    "laptop-surface-tuning",
    "laptop-topk",
    "laptop-reuse",
)


def planned(name: str) -> Plan:
    return make_plan(replace(preset(name), data=None))


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in SETTINGS])
def test_presets_plan_without_a_corpus(name: str) -> None:
    plan = planned(name)
    assert (len(plan.runs), len(plan.refused)) == (RUNS[name], REFUSED.get(name, 0))
    assert preset(name).study == name


@pytest.mark.parametrize("name", SETTINGS)
def test_presets_of_generated_tasks_refuse_nothing(name: str) -> None:
    plan = scaling.make_plan(name)
    assert (len(plan.runs), plan.refused) == (SETTINGS[name], ())


@pytest.mark.parametrize("name", SIZED)
def test_every_size_is_planned_and_its_claims_name_arms_of_the_laptop_size(name: str) -> None:
    runs = {}
    for size in SIZED[name]:
        asked = preset(name, size)
        runs[size] = scaling.make_plan(replace(asked, data=None) if name == "tinystories-moe" else asked).runs
    assert len(runs["smoke"]) <= 13
    assert len(runs["gpu"]) * (3 if name == "tinystories-moe" else 1) == len(runs["laptop"])
    check_claims(claims_of(name), {run.arm for run in runs["laptop"]})
    largest = max(runs["gpu"], key=lambda run: run.shape.total)
    tokens = largest.training.batch_tokens
    assert memory(largest.shape, largest.training.precision, tokens).total < 40e9  # bytes of a GPU


def test_an_unknown_size_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"'large'.*laptop, smoke, gpu"):
        preset("task-conflict", "large")
    with pytest.raises(UsageError, match="one size"):
        preset("smoke", "gpu")


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"smok.*smoke, laptop"):
        preset("smok")


def test_presets_plan_from_the_command_line_without_torch() -> None:
    code = (
        "import sys; from scaling import cli\n"
        f"codes = [cli.main(['plan', '--preset', name, '--data', 'none']) for name in {list(RUNS)!r}]\n"
        f"assert codes == {[3 if name in REFUSED else 0 for name in RUNS]}, codes\n"
        "assert not {'torch', 'numpy', 'pandas', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class TestTinyStories:
    PRINTED = {0: 70.6e6, 4: 108.2e6, 8: 158.6e6, 16: 259.2e6}

    @pytest.mark.parametrize(("experts", "printed"), PRINTED.items())
    def test_totals_are_the_printed_ones_within_015_percent(self, experts: int, printed: float) -> None:
        assert shape(experts).total == pytest.approx(printed, rel=0.0015)

    def test_the_printed_four_do_not_fit_one_architecture(self) -> None:
        """The mixtures determine everything but the experts, up to rounding; with dense FFNs that is not 70.6M."""
        half, experts = 0.05e6, shape(4)
        each = experts.n_layers * (experts.expert_parameters + experts.d_model)  # one expert a layer, and its router
        rest = [(self.PRINTED[n] - n * each - half, self.PRINTED[n] - n * each + half) for n in (4, 8, 16)]
        low, high = max(low for low, _ in rest), min(high for _, high in rest)
        dense_ffns = shape(0).parts["dense_ffn"]
        assert 57.86e6 < low < high < 57.88e6
        assert high + dense_ffns < self.PRINTED[0] - half

    def test_runs_are_those_of_the_study(self) -> None:
        runs = planned("tinystories-moe").runs
        with (Path(planners.__file__).parent / "published" / "tinystories" / "tinystories_runs.csv").open() as file:
            rows = [(row["n_experts"], row["jitter"], row["capacity_factor"]) for row in csv.DictReader(file)]
        published = sorted((int(n), float(jitter or 0), float(capacity or 0)) for n, jitter, capacity in rows)
        settings = [(run.shape.n_experts, run.router.jitter, run.router.capacity_factor or 0) for run in runs]
        assert len(published) == 13
        assert sorted(settings) == published
        for run in runs:
            training = run.training
            assert (training.steps, training.batch_tokens, training.seq_len) == (10_000, 16 * 256, 256)
            assert (training.lr, run.shape.vocab_size) == (3e-4, 50_257)
            assert training.patience is not None
            biases = (run.shape.attention_bias, run.shape.ffn_bias, run.shape.expert_bias)
            assert (biases, run.shape.tied_embeddings) == (("all", True, False), False)
            assert (run.shape.positions, run.shape.norm, run.shape.ffn) == ("learned", "layernorm", "gelu")
            assert run.shape.is_dense or (run.shape.n_moe_layers, run.shape.top_k, run.shape.d_shared) == (6, 1, 0)


@pytest.mark.parametrize("scale", ["2B", "3B", "7B"])
def test_li2025_holds_every_row_of_its_tables_and_nothing_else(scale: str) -> None:
    arms = {f"{run.arm} {run.training.D}": run for run in planned(f"li2025-{scale.lower()}").runs}
    met = set()

    def agrees(row: Li2025Run, name: str) -> bool:
        run = arms[name]
        return (
            pytest.approx(row.D, rel=0.005) == run.training.D
            and pytest.approx(min(row.U, run.training.D), rel=0.005) == run.training.U
            and run.r_a == pytest.approx(row.r_a, rel=0.01)
            and (row.lr is None or run.training.lr == row.lr)
            and (row.batch_tokens is None or run.training.batch_tokens == row.batch_tokens)
            and (row.steps is None or run.training.steps == row.steps)
            and (row.C is None or pytest.approx(row.C, rel=0.036 if row.table in (15, 16) else 0.013) == run.C)
            and (row.shape is None or run.shape == row.shape)
        )

    for row in li2025_runs():
        if row.scale == scale:
            found = [name for name in arms if agrees(row, name)]
            assert len(found) == 1, row
            met.add(found[0])
    assert met == set(arms)


def test_li2025_trains_as_its_paper_says() -> None:
    for run in planned("li2025-2b").runs:
        training = run.training
        assert training.warmup_steps == min(max(round(training.steps / 100), 200), 2000)
        assert (training.lr_floor, training.weight_decay, training.schedule) == (1e-5, 0.1, "cosine")
        assert (run.shape.positions, run.shape.norm, run.shape.ffn) == ("alibi", "rmsnorm", "swiglu")
        assert run.recipe == "li2025, lr and batch given"


def test_li2025_learning_rates_that_are_not_printed_follow_those_that_are() -> None:
    """Table 9 at 1.14e11 tokens equals table 10, whose sparsest row has a rate of 2.01e-3 and 672 sequences."""
    runs = [run for run in planned("li2025-2b").runs if pytest.approx(1.14e11, rel=1e-3) == run.training.D]
    moe = [run for run in runs if not run.shape.is_dense]
    assert len(moe) == 6
    assert {(run.training.lr, run.training.batch_tokens // 2048) for run in moe} == {(2.01e-3, 672)}


def test_gpu_day_is_a_day_of_one_gpu_at_its_stated_utilisation() -> None:
    runs = planned("gpu-day").runs
    made = [forecast(run, device("h100"), Speed(mfu=0.25)) for run in runs]
    assert 20 < (total(made).device_hours or 0) < 24
    assert all(one.micro_batch is not None for one in made)
    assert max(run.training.D for run in runs) < 8e9


@pytest.mark.parametrize("name", PRESETS)
def test_corpora_of_presets_are_names_that_can_be_read(name: str) -> None:
    data = preset(name).data
    if data is not None:
        parsed = parse(data)
        assert [domain.source.kind for domain in parsed.domains] == ["stdlib" if name in OURS else "hf"]
        assert parsed.tokenizer == {"tinystories-moe": "gpt2", "gpu-day": "bpe:8192"}.get(name, "bytes")


def test_every_arm_is_tuned_with_equal_effort_and_its_rule_is_in_the_middle() -> None:
    runs = planned("laptop-tuning").runs
    arms = {run.shape for run in runs}
    assert len(arms) == 8
    for shape_ in arms:
        own = [run for run in runs if run.shape == shape_]
        (rule,) = (run.training for run in own if run.role != "tuning")
        assert len(own) == 7
        by_rate = [run for run in own if run.training.batch_tokens == rule.batch_tokens]
        assert {run.training.lr / rule.lr for run in by_rate} == {0.5, 1, 2}
        batches = sorted(run.training.batch_tokens for run in own if run.training.lr == rule.lr)
        assert len(set(batches)) == 5
        assert batches[-1] >= 4 * rule.batch_tokens
        assert batches[0] == max(rule.batch_tokens // 4 // 128, 1) * 128
    tuned_on = {run.training.seed for run in runs}
    assert not tuned_on & {run.training.seed for name in ("laptop", "laptop-grid") for run in planned(name).runs}


def test_budgets_of_the_grid_have_six_seeds_each_and_share_none() -> None:
    seeds: dict[float, set[int]] = {}
    for run in planned("laptop-grid").runs:
        seeds.setdefault(run.target["C"], set()).add(run.training.seed)
    assert [len(found) for found in seeds.values()] == [6, 6, 6]
    assert len(set.union(*seeds.values())) == 18


def test_one_arm_of_the_laptop_study_repeats_the_tokens_of_the_dense_one() -> None:
    runs = [run for run in planned("laptop").runs if run.training.seed == 0]
    dense = next(run for run in runs if run.arm == "dense")
    (repeated,) = (run for run in runs if run.epochs > 1)
    fresh = next(run for run in runs if run.arm == "K4")
    assert (repeated.shape, repeated.training.D) == (fresh.shape, fresh.training.D)
    assert repeated.training.U == dense.training.D
