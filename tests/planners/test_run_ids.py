"""Run ids of everything that was planned before stay the same."""

from pathlib import Path

import pytest

from planners import Router, RunSpec, Shape, Study
from planners.spec import Training

ROOT = Path(__file__).parent.parent.parent
STUDIES = sorted(path.parent for path in (ROOT / "results").glob("*/plan.jsonl"))


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_the_ids_of_the_shipped_studies_follow_from_their_settings(folder: Path) -> None:
    runs = Study(folder).runs()  # refuses a line whose id does not follow from its settings
    assert all(len(run.run_id) == 12 for run in runs)


def test_new_fields_at_their_defaults_leave_an_id_as_it_was() -> None:
    shape = Shape(
        d_model=64, n_layers=2, n_dense_layers=0, n_heads=2, n_kv_heads=2, head_dim=32, d_ff=176, n_experts=8, top_k=2,
        d_expert=88, vocab_size=256,
    )  # fmt: skip
    training = Training(
        seq_len=128, D=512 * 100, U=512 * 100, batch_tokens=512, lr=0.003, lr_floor=0.0003, warmup_steps=5,
        weight_decay=0.1, eval_windows=64, seed=0,
    )  # fmt: skip
    run = RunSpec.build(
        study="x", arm="x", shape=shape, router=Router(), training=training, data=None, recipe="small-scale",
        flops_convention="exact", target={},
    )  # fmt: skip
    assert run.run_id == "2d7d76ba09f8"
