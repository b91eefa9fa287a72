"""What trainers and loggers write is read as they print it: the last loss, N and D where the log states them."""

import base64
import json
import sqlite3
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from fits import read_table
from fits.runs.formats import read_rows
from fits.runs.sources import SOURCES, known_columns, read_folder
from planners.records.errors import UsageError
from scaling import cli

MEGATRON = """\
------------------------ arguments ------------------------
  seq_length ...................................... 4096
  train_iters ..................................... 1000
-------------------- end of arguments ---------------------
 > number of parameters on (tensor, pipeline) model parallel rank (1, 0): 60000000
 > number of parameters on (tensor, pipeline) model parallel rank (0, 0): 64000000
0: [2026-08-22 10:00:00.000000] iteration      990/    1000 | consumed samples:       253440 | \
elapsed time per iteration (ms): 512.3 | throughput per GPU (TFLOP/s/GPU): 401.2 | learning rate: 3.000000E-05 | \
global batch size:   256 | lm loss: 2.950000E+00 | loss scale: 1.0 | grad norm: 0.212 | \
number of skipped iterations:   0 | number of nan iterations:   0 |
 [2026-08-22 10:00:09.000000] iteration     1000/    1000 | consumed samples:       256000 | \
elapsed time per iteration (ms): 512.3 | learning rate: 3.000000E-05 | global batch size:   256 | \
lm loss: 2.900000E+00 | load_balancing_loss: 1.010000E+00 | loss scale: 1.0 | grad norm: 0.211 | \
number of skipped iterations:   0 | number of nan iterations:   0 |
----------------------------------------------------------------------------------------------------
 validation loss at iteration 500 | lm loss value: 3.400000E+00 | lm loss PPL: 2.996410E+01 |
 validation loss at iteration 1000 on validation set | lm loss value: 3.000000E+00 | lm loss PPL: 2.008554E+01 |
 validation loss at iteration 1000 on test set | lm loss value: 3.100000E+00 | lm loss PPL: 2.219795E+01 |
"""
TITAN = """\
[titan] 2026-08-21 09:00:00,000 - root - INFO - \x1b[34mModel llama3 \x1b[31msize: 124,000,000 total parameters\x1b[39m
[titan] 2026-08-21 09:00:01,000 - root - INFO - Trainer is initialized with 8192 tokens per DP rank, \
1048576 tokens per train step, gradient accumulation steps 1, maximum context length 4096, total steps 1000 (warmup 10)
[titan] 2026-08-21 09:30:00,000 - root - INFO - \x1b[31mstep: 990  \x1b[32mloss:  2.95000  \x1b[38mgrad_norm:  0.2120  \
\x1b[36mmemory: 12.30GiB(15.40%)  \x1b[34mtps: 12,345  \x1b[36mtflops: 401.20  \x1b[35mmfu: 40.57%\x1b[39m
[titan] 2026-08-21 09:31:00,000 - root - INFO - \x1b[31mstep: 1000  \x1b[32mloss:  2.90000  \x1b[38mgrad_norm:  0.2110
[titan] 2026-08-21 09:31:00,000 - root - INFO - \x1b[33mvalidate step: 1000  \x1b[32mloss:  3.0000  \
\x1b[36mmemory: 12.30GiB(15.40%)  \x1b[34mtps: 12,345\x1b[39m
"""
OLMO = """\
2026-06-22 10:00:00 host:0 olmo_core.nn INFO Building transformer with 190,354,176 total params, \
124,000,000 non-embedding params
2026-06-22 10:00:01 host:0 olmo_core.train INFO [step=990/1000,epoch=1,eta=10s]
    train/CE loss=2.950
    throughput/total tokens=1.038B
2026-06-22 10:00:02 host:0 olmo_core.train INFO Finished c4_en-validation evals in 2.0 seconds. Metrics:
    c4_en-validation/CE loss=3.000
    c4_en-validation/PPL=20.09
2026-06-22 10:00:03 host:0 olmo_core.train INFO [step=1000/1000,epoch=1,eta=0s]
    train/CE loss=2.900
    throughput/total tokens=1.049B
    throughput/total petaflops=780.5
"""
NANOCHAT = """\
Parameter counts:
wte                     : 25,165,824
total                   : 124,000,000
Calculated number of iterations from target FLOPs: 1,000
Total number of training tokens: 1,048,576,000
Total training FLOPs estimate: 7.801400e+17
Step 00000 | Validation bpb: 3.300000
step 00999/01000 (99.90%) | loss: 2.900000 | lrm: 0.01 | dt: 100.00ms | tok/sec: 1,048,576
Step 01000 | Validation bpb: 0.912345
"""
LLAMA_FACTORY = """\
{"current_steps": 990, "total_steps": 1000, "loss": 2.95, "lr": 1e-05, "epoch": 0.99, "total_tokens": 1038090240}
{"current_steps": 1000, "total_steps": 1000, "eval_loss": 3.0, "epoch": 1.0, "total_tokens": 1048576000}
{"current_steps": 1000, "total_st"""
STATE = {
    "global_step": 1000, "max_steps": 1000, "num_input_tokens_seen": 1048576000, "total_flos": 7.8e17,
    "log_history": [{"loss": 2.9, "step": 1000}, {"eval_loss": 3.1, "step": 500}, {"eval_loss": 3.0, "step": 1000}],
}  # fmt: skip
TENSORBOARD = base64.b64decode(
    "SAAAAAAAAAD+kkidCcDIjQzAw9pBGg1icmFpbi5FdmVudDoyUi4KLHRlbnNvcmJvYXJkLnN1bW1hcnkud3JpdGVyLmV2ZW50X2ZpbGVfd3JpdG"
    "Vy1fSJoSsAAAAAAAAAhhvDSwkAAAAAAADwPyogCg8KCHZhbC9sb3NzFc3MnEAKDQoGdG9rZW5zFShrbk5TJgLWIwAAAAAAAACwn3dDCQAAAAAA"
    "APA/KhgKFgoIbl9wYXJhbXNCCggBEgAqBCC8PkwMesFRLQAAAAAAAAA8QYr7CQAAAAAAAPA/EAoqIAoPCgh2YWwvbG9zcxXNzIxACg0KBnRva2"
    "VucxUoa25O1MUs4yUAAAAAAAAA6rw28wkAAAAAAADwPxAKKhgKFgoIbl9wYXJhbXNCCggBEgAqBCC8PkzjzhbgLQAAAAAAAAA8QYr7CQAAAAAA"
    "APA/EBQqIAoPCgh2YWwvbG9zcxV3d4dACg0KBnRva2VucxUoa25Ot/G+dyUAAAAAAAAA6rw28wkAAAAAAADwPxAUKhgKFgoIbl9wYXJhbXNCCg"
    "gBEgAqBCC8PkzEXOGS"
)
"""Three steps of val/loss, tokens and (as a tensor) n_params, written by tensorboard 2.21."""
PRINTED = {
    "megatron": ("a/out.log", MEGATRON, {"N": 124e6, "D": 256000 * 4096, "loss": 3.0}),
    "torchtitan": ("a/out.log", TITAN, {"N": 124e6, "D": 1048576000, "loss": 3.0}),
    "olmo-core": ("a/out.log", OLMO, {"N": 124e6, "D": 1.049e9, "C": 780.5e15, "loss": 3.0}),
    "nanochat": ("a/out.log", NANOCHAT, {"N": 124e6, "D": 1048576000, "C": 7.8014e17, "loss": 0.912345}),
    "llama-factory": ("a/trainer_log.jsonl", LLAMA_FACTORY, {"D": 1048576000, "loss": 3.0}),
    "hf-trainer": ("a/trainer_state.json", json.dumps(STATE), {"D": 1048576000, "C": 7.8e17, "loss": 3.0}),
}


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", PRINTED)
def test_a_log_is_recognised_by_its_content_alone_and_in_a_folder(name: str, tmp_path: Path) -> None:
    file, content, values = PRINTED[name]
    path = written(tmp_path / file, content)
    for table in (read_table(path), read_table(tmp_path), read_table(tmp_path, source=name)):
        assert {ours: table.numbers(ours)[0] for ours in values} == pytest.approx(values)
        assert table.frame["run"].tolist() in (["a/out"], ["a"], ["out"])
        assert f"--from {name}" in table.remarks[0]
    assert read_table(path).unit == ("bpb" if name == "nanochat" else "nats")


@pytest.mark.parametrize("name", PRINTED)
def test_a_run_short_of_its_last_step_is_set_aside(name: str, tmp_path: Path) -> None:
    file, content, _ = PRINTED[name]
    longer = [("1000 on", "1000 on"), ("/    1000", "/    2000"), ("total steps 1000", "total steps 2000"),
              ("/1000,", "/2000,"), ("FLOPs: 1,000", "FLOPs: 2,000"), ('"total_steps": 1000', '"total_steps": 2000'),
              ('"max_steps": 1000', '"max_steps": 2000')]  # fmt: skip
    for before, after in longer:
        content = content.replace(before, after)
    table = read_table(written(tmp_path / file, content))
    assert [one.reason for one in table.dropped] == ["state is unfinished"]


def test_a_training_loss_is_named_as_such(tmp_path: Path) -> None:
    without = "\n".join(line for line in MEGATRON.splitlines() if "loss at" not in line)
    table = read_table(written(tmp_path / "out.log", without))
    assert table.numbers("loss").tolist() == [2.9]
    assert any("lm loss is the loss of the last training batches" in remark for remark in table.remarks)


def test_checkpoints_of_one_run_are_one_row_with_the_parameters_of_its_configuration(tmp_path: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
              "intermediate_size": 128, "vocab_size": 256, "max_position_embeddings": 128}  # fmt: skip
    for step in (500, 1000, 90):
        folder = tmp_path / "run1" / f"checkpoint-{step}"
        log = [{"eval_loss": 5 - step / 1000, "step": step}]
        written(folder / "trainer_state.json", json.dumps(STATE | {"global_step": step, "log_history": log}))
        written(folder / "config.json", json.dumps(config))
    table = read_table(tmp_path)
    assert table.numbers("loss").tolist() == [4.0]
    attention, ffn, norms = 4 * 64 * 64, 3 * 64 * 128, 2 * 64
    assert table.numbers("N").tolist() == [2 * (attention + ffn + norms) + 64]
    assert table.frame["embeddings"].tolist() == ["excluded"]


def test_events_of_tensorboard_are_read_as_its_own_reader_does(tmp_path: Path) -> None:
    written(tmp_path / "run0" / "events.out.tfevents.1.host", TENSORBOARD)
    written(tmp_path / "run1" / "events.out.tfevents.1.host", TENSORBOARD[:-20])  # cut off in the last record
    rows = read_folder(tmp_path).rows
    assert [row["run"] for row in rows] == ["run0", "run1"]
    expected = {"val/loss": 4.233333110809326, "tokens": 1e9, "n_params": 5e7, "step": 20}  # EventAccumulator
    assert {name: rows[0][name] for name in expected} == expected
    assert rows[1]["n_params"] == 5e7


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([*_varint(number << 3), *_varint(value)])
    return bytes([*_varint(number << 3 | 2), *_varint(len(value))]) + value


def _varint(value: int) -> list[int]:
    return [value] if value < 128 else [value & 127 | 128, *_varint(value >> 7)]


def _wandb(*records: bytes) -> bytes:
    content = b":W&B\xe1\xbe\x00"
    for record in records:
        parts = [record]
        left = 32768 - len(content) % 32768 - 7
        if len(record) > left:
            parts = [record[:left], record[left:]]
        for at, part in enumerate(parts):
            kind = 1 if len(parts) == 1 else (2, 4)[at]
            content += struct.pack("<IHB", 0, len(part), kind) + part
    return content


def test_offline_runs_of_wandb_are_read_with_their_configuration_and_exit(tmp_path: Path) -> None:
    def item(path: str, value: object) -> bytes:
        names = b"".join(_field(2, name.encode()) for name in path.split("/"))
        return names + _field(16, json.dumps(value).encode())

    config = _field(1, item("model", {"n_params": 5e7})) + _field(1, item("tokens", 1e9))
    run = _field(17, _field(1, b"abc") + _field(8, b"run0") + _field(4, config))
    history = [_field(2, _field(1, item("val", {"loss": 5 - step}))) for step in (0, 1)]
    long = _field(2, _field(1, item("text", "x" * 33000)))
    finished, crashed = _field(18, _field(2, 3)), _field(18, _field(1, 1))
    written(tmp_path / "wandb/offline-run-1/run-abc.wandb", _wandb(run, history[0], long, history[1], finished))
    other = run.replace(b"abc", b"abd")
    written(tmp_path / "wandb/offline-run-2/run-abd.wandb", _wandb(other, history[0], crashed))
    written(tmp_path / "wandb/offline-run-3/run-abe.wandb", _wandb(run.replace(b"abc", b"abe"), history[0])[:-3])
    table = read_table(tmp_path, {"N": "config.model.n_params", "D": "config.tokens", "loss": "val.loss"})
    assert table.numbers("loss").tolist() == [4.0]
    assert table.frame["run_id"].tolist() == ["abc"]
    assert sorted(one.reason for one in table.dropped) == ["state is crashed", "state is running"]


def test_runs_of_mlflow_are_read_from_a_folder_and_a_database(tmp_path: Path) -> None:
    for at, status in enumerate((3, 4)):
        run = tmp_path / "mlruns" / "1" / f"r{at}"
        meta = f"experiment_id: '1'\nlifecycle_stage: active\nrun_id: r{at}\nrun_name: run{at}\nstatus: {status}\n"
        written(run / "meta.yaml", meta)
        written(run / "params" / "n_params", "50000000")
        written(run / "metrics" / "val" / "loss", "1 4.0 0\n2 3.0 2\n3 3.5 1\n")
    columns = {"N": "params.n_params", "loss": "metrics.val/loss"}
    table = read_table(tmp_path / "mlruns", columns)
    assert (table.numbers("N").tolist(), table.numbers("loss").tolist()) == ([5e7], [3.0])
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE runs (run_uuid, name, status, lifecycle_stage);"
            "CREATE TABLE params (key, value, run_uuid);"
            "CREATE TABLE latest_metrics (key, value, timestamp, step, is_nan, run_uuid);"
            "INSERT INTO runs VALUES ('r0', 'a', 'FINISHED', 'active'), ('r1', 'b', 'FAILED', 'active'),"
            " ('r2', 'c', 'FINISHED', 'active');"
            "INSERT INTO params SELECT 'n_params', '50000000', run_uuid FROM runs;"
            "INSERT INTO latest_metrics SELECT 'val/loss', 3.0, 1, 1, run_uuid = 'r2', run_uuid FROM runs;"
        )
    database.close()
    table = read_table(path, columns)
    assert (table.numbers("N").tolist(), table.numbers("loss").tolist()) == ([5e7], [3.0])
    assert sorted(one.reason for one in table.dropped) == ["loss is nan", "status is FAILED"]


def test_a_project_of_trackio_is_read(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ladder.db") as database:
        database.executescript(
            "CREATE TABLE metrics (id INTEGER, run_id, timestamp, run_name, step, metrics);"
            "CREATE TABLE configs (id, run_id, run_name, config, created_at);"
            """INSERT INTO configs VALUES (1, 'x', 'run0', '{"n_params": 5e7}', '');"""
            """INSERT INTO metrics VALUES (2, 'x', '', 'run0', 9, '{"val": {"loss": 3}}'),"""
            """ (1, 'x', '', 'run0', 8, '{"val": {"loss": 4}}');"""
        )
    database.close()
    table = read_table(tmp_path, {"N": "config.n_params", "loss": "val.loss"})
    assert (table.numbers("N").tolist(), table.numbers("loss").tolist()) == ([5e7], [3.0])


NANOCHAT_ROW = {"params_total": 1e8, "tokens_trained": 2e9, "flops_budget": 1.2e18, "val_bpb": 0.9}


def test_a_table_of_a_project_is_recognised_by_its_columns() -> None:
    table = read_table([NANOCHAT_ROW])
    assert (table.numbers("N")[0], table.numbers("C")[0], table.unit) == (1e8, 1.2e18, "bpb")
    assert "--from nanochat" in table.remarks[0]
    assert read_table([NANOCHAT_ROW | {"wte": 1e7}], {"N": "params_total-wte"}).numbers("N")[0] == 9e7
    assert known_columns([{"N": 1e8, "loss": 3.0}], None, {})[1] == []
    exported = {f"summary.{name}": value for name, value in NANOCHAT_ROW.items()}
    assert read_table([exported]).numbers("D")[0] == 2e9


def test_the_unit_of_the_loss_is_given_or_taken_from_its_name() -> None:
    assert read_table([NANOCHAT_ROW], unit="bits").unit == "bits"
    assert read_table([{"BPC": 0.9}], {"loss": "BPC"}).unit == "bpc"
    assert read_table([{"eval/bits_per_byte": 0.9}], {"loss": "eval/bits_per_byte"}).unit == "bpb"
    assert read_table([{"loss": 0.9}]).unit == "nats"
    with pytest.raises(UsageError, match="unit 'dB' is not one of nats, bits, bpb, bpc"):
        read_table([NANOCHAT_ROW], unit="dB")


@pytest.mark.parametrize("name", SOURCES)
def test_a_damaged_log_is_one_sentence(name: str, tmp_path: Path) -> None:
    damaged = {"tensorboard": TENSORBOARD[:40] + b"\xff" * 60, "wandb": _wandb(_field(17, b"\x0a\xff"))}
    damaged |= {"mlflow": b"SQLite format 3\x00 CREATE TABLE latest_metrics run_uuid", "trackio": b"x"}
    content = damaged.get(name, b'{"log_history": [')
    for file in (*SOURCES[name].files, "trainer_state.json"):
        path = written(tmp_path / file.replace("*", "1"), content)
        try:
            read_rows(path)
        except UsageError as error:
            assert str(path) in str(error)


def test_a_folder_without_logs_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fit", "--runs", str(tmp_path), "--law", "chinchilla"]) == cli.USAGE
    assert "holds no log of wandb, mlflow, trackio" in capsys.readouterr().err


def check_damaged_log(folder: Path, name: str, edits: list[tuple[int, int, bytes]]) -> None:
    """Damage a log by `edits` (place, how many bytes go, what comes): it is read, or refused in one sentence."""
    content = TENSORBOARD if name == "tensorboard" else PRINTED[name][1].encode()
    for place, gone, new in edits:
        at = place % (len(content) + 1)
        content = content[:at] + new + content[at + gone :]
    path = written(folder / name / "events.out.tfevents.1", content)
    try:
        read_table(path)
    except UsageError as error:
        assert "Traceback" not in str(error)


BYTES = st.lists(
    st.tuples(
        st.integers(0, 4000), st.integers(0, 40), st.one_of(st.binary(max_size=3), st.sampled_from([b"\n", b"|"]))
    ),
    max_size=4,
)
LOGS = st.sampled_from([*PRINTED, "tensorboard"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@settings(max_examples=100, deadline=None)
@given(name=LOGS, edits=BYTES)
def test_a_damaged_log_gives_no_traceback(folder: Path, name: str, edits: list[tuple[int, int, bytes]]) -> None:
    check_damaged_log(folder, name, edits)


@pytest.mark.soak
@settings(max_examples=2000, deadline=None)
@given(name=LOGS, edits=BYTES)
def test_thousands_of_damaged_logs(folder: Path, name: str, edits: list[tuple[int, int, bytes]]) -> None:
    check_damaged_log(folder, name, edits)
