"""The tinystories-moe shape, made tiny, trains on a local jsonl file in bf16 and writes a complete record."""

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.corpora import describe
from jobs.record import flatten, read_record
from jobs.training import loop
from planners import Question, Study, make_plan
from planners.given_arms import GivenArm
from planners.presets.tinystories import shape
from planners.records.files import read_jsonl
from planners.spec import Router

MIDDLE = Router(jitter=0.01, capacity_factor=1.25)
"""The middle of the study's grid of router settings."""


@pytest.fixture
def stories(tmp_path: Path) -> str:
    """A jsonl file of 300 generated stories."""
    generator, path = random.Random(3), tmp_path / "stories.jsonl"
    words = ["".join(generator.choices("abcdefgh", k=generator.randint(2, 7))) for _ in range(80)]
    stories = [" ".join(generator.choices(words, k=60)) + "." for _ in range(300)]
    path.write_text("".join(json.dumps({"text": story}) + "\n" for story in stories))
    return f"hf:{path}@bpe:400"


def test_a_tiny_tinystories_moe_trains_in_bf16(stories: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    tiny = {"d_model": 32, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "head_dim": 16, "d_ff": 64, "vocab_size": 400}
    arms = []
    for n_experts in (0, 4):
        made = shape(n_experts)
        smaller = replace(
            made, **tiny, n_dense_layers=min(2, made.n_dense_layers), d_expert=64 if n_experts else 0, max_positions=32
        )
        arms.append(GivenArm(label=f"E{n_experts}", shape=smaller, router=MIDDLE if n_experts else None, D=32 * 8 * 20))
    question = Question(
        study="stories", arms=tuple(arms), data=stories, vocab_size=400, seq_len=32, recipe="step-law", lr=3e-3,
        batch_tokens=256, eval_windows=16, eval_steps=8, patience=3, precision="bf16",
    )  # fmt: skip
    study = Study(tmp_path / "study")
    study.write(make_plan(question, describe(stories)))
    for spec in study.runs():
        study.run_folder(spec.run_id).mkdir(parents=True)
        record = loop.train(study, spec)
        assert record.loss is not None
        assert record.loss < math.log(400)
        assert record.perplexity == pytest.approx(math.exp(record.loss))
        assert record.tokens_per_s is not None
        assert record.tokens_per_s > 0
        assert record.peak_memory_bytes is not None
        assert record.peak_memory_bytes > 1e6
        assert (record.routing is None) == spec.shape.is_dense
        assert spec.shape.is_dense or flatten(record)["routing.dropped"] > 0  # capacity 1.25
        assert read_record(study, spec) == record
        rows, _ = read_jsonl(study.run_folder(spec.run_id) / "metrics.jsonl")
        assert [row["step"] for row in rows if row["val_loss"]] == [8, 16]
