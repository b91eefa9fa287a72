"""Columns of tables that well-known trainers and projects write: `--from NAME` stands for them."""

from collections.abc import Mapping

SOURCES: dict[str, Mapping[str, str]] = {
    "nanochat": {"N": "params_total", "D": "tokens_trained", "C": "flops_budget", "loss": "val_bpb"},
    "marin": {
        "run_id": "run_id", "N": "parameter_count", "D": "total_tokens", "C": "total_gflops*1e9", "loss": "cd_val_loss",
        "state": "run_state",
    },
    "levanter": {"D": "throughput/total_tokens", "C": "throughput/total_gflops*1e9", "loss": "eval/loss"},
    "torchtitan": {"D": "n_tokens_seen", "loss": "validation_metrics/loss"},
    "olmo-core": {"D": "throughput/total tokens", "C": "throughput/total petaflops*1e15", "loss": "train/CE loss"},
    "megatron": {"loss": "lm loss validation"},
    "llama-factory": {"D": "total_tokens", "loss": "eval_loss"},
    "hf-trainer": {"D": "num_input_tokens_seen", "C": "total_flos", "loss": "eval_loss"},
    "isoflop-experiments": {"N": "params", "D": "tokens", "loss": "loss"},
}  # fmt: skip
"""Name -> our column -> theirs. Those without an N do not log it: name it with --columns as well."""
