"""Forecasts as a person asks for them."""

import json
from pathlib import Path

import pytest

from jobs.sweep.cluster import Cluster
from jobs.sweep.run_times import measured_times
from planners import Study
from scaling import cli
from scaling.cluster_flags import with_planned_gpus

PLAN = ["plan", "--budget", "1e18", "--total-params", "100M", "--activation", "1,.2", "--seq-len", "2048"]
BF16 = [*PLAN, "--precision", "bf16", "--vocab-size", "50257"]


def test_forecast_stands_below_the_plan(capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*BF16, "--device", "h100", "--mfu", ".4,K5=.3", "--price", "2"]) == cli.DONE
    out = capsys.readouterr().out
    assert "forecast on one h100, computed" in out
    assert "device-hours, price" in out


def test_plan_without_forecast_says_nothing_of_it(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(BF16) == cli.DONE
    assert "forecast" not in capsys.readouterr().out
    assert cli.main([*BF16, "--json"]) == cli.DONE
    assert "forecast" not in json.loads(capsys.readouterr().out)


def test_speeds_by_arm_reach_their_arms(capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*BF16, "--json", "--tokens-per-s", "K5=50k,100k"]) == cli.DONE
    made = json.loads(capsys.readouterr().out)
    speed = {"dense": 100e3, "K5": 50e3}
    for run, one in zip(made["runs"], made["forecast"]["runs"], strict=True):
        evaluated = run["eval_windows"] * run["seq_len"] / 3
        assert one["run_id"] == run["run_id"]
        assert one["device_hours"] == pytest.approx((run["D"] + evaluated) / speed[run["arm"]] / 3600)
        assert one["memory"] is one["micro_batch"] is one["price"] is None
    total = sum(one["device_hours"] for one in made["forecast"]["runs"])
    assert made["forecast"]["total"]["device_hours"] == pytest.approx(total)


def test_what_does_not_fit_is_said(capsys: pytest.CaptureFixture) -> None:
    flags = ["--total-params", "7B", "--budget", "1e21", "--device", "h100"]
    assert cli.main([*BF16, *flags]) == cli.DONE
    out = capsys.readouterr().out
    assert out.count("does not fit") == 2
    assert "2 of 2 runs do not fit one h100, even with one sequence and --recompute" in out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--device h1", "'h1' is not one of"),
        ("--device h100 --mfu 2", "outside"),
        ("--device h100 --mfu 40%", "--mfu '40%'"),
        ("--mfu .4", "name the device"),
        ("--device h100 --mfu .4 --tokens-per-s 3k", "one of the two"),
        ("--tokens-per-s 1e400", "finite"),
        ("--tokens-per-s nan", "not a number"),
        ("--tokens-per-s 0", "positive"),
        ("--tokens-per-s K77=3k", "no arm 'K77'"),
        ("--tokens-per-s dense=3k", "'K5' has no speed"),
        ("--price 3", "needs the time"),
        ("--price -3 --tokens-per-s 3k", "--price"),
        ("--price free --tokens-per-s 3k", "--price"),
        ("--count 8", "add --device"),
        ("--count 8 --devices 16 --device h100", "raise --count"),
        ("--count 0 --device h100", "--count"),
        ("--eval-steps 0", "--eval-steps"),
        ("--patience 3", "eval_steps"),
        ("--weight-decay -1", "--weight-decay"),
        ("--schedule linear", "schedule"),
    ],
)
def test_mistakes_are_one_sentence(flags: str, said: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*BF16, *flags.split()]) == cli.USAGE
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_fleet_has_a_clock_and_a_currency(capsys: pytest.CaptureFixture) -> None:
    flags = ["--device", "h100", "--count", "64", "--price", "2.5 EUR"]
    assert cli.main([*BF16, *flags, "--json"]) == cli.DONE
    made = json.loads(capsys.readouterr().out)["forecast"]
    assert made["fleet"]["count"] == 64
    assert made["fleet"]["wall_clock_hours"] == made["fleet"]["longest_hours"]  # fewer runs than devices
    assert made["total"]["price"] == pytest.approx(2.5 * made["total"]["device_hours"])
    assert any("assumed" in note for note in made["notes"])
    assert any("2 of 64 devices" in note for note in made["notes"])
    assert cli.main([*BF16, *flags]) == cli.DONE
    assert " EUR\n" in capsys.readouterr().out


def test_a_batch_that_devices_do_not_divide_is_said(capsys: pytest.CaptureFixture) -> None:
    flags = ["--device", "h100", "--devices", "7", "--shard", "--batch-tokens", "100k"]
    assert cli.main([*BF16, *flags]) == cli.DONE
    said = capsys.readouterr().out
    assert "7 devices do not divide the batch of dense, 49 sequences" not in said
    assert cli.main([*BF16, *flags, "--batch-tokens", "98304"]) == cli.DONE
    assert "7 devices do not divide the batch of dense, 48 sequences" in capsys.readouterr().out


def test_share_of_the_bf16_peak_is_refused_in_fp32(capsys: pytest.CaptureFixture) -> None:
    flags = ["--device", "h100", "--mfu", ".4"]
    assert cli.main([*PLAN, *flags, "--precision", "fp32"]) == cli.USAGE
    assert "planned in fp32; add --precision bf16" in capsys.readouterr().err
    assert cli.main([*PLAN, *flags]) == cli.DONE  # where a GPU is named, bf16 is the default
    assert "default: --precision bf16" in capsys.readouterr().out


def test_a_preset_plans_without_its_corpus(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["plan", "--preset", "tinystories-moe", "--data", "none", "--json"]) == cli.DONE
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert {run["shape"]["vocab_size"] for run in runs} == {50_257}
    assert {run["data"] for run in runs} == {None}


def test_a_sweep_predicts_from_the_forecast_of_its_plan(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = str(tmp_path / "x")
    assert cli.main([*BF16, "--device", "h100", "-o", folder]) == cli.DONE
    kept = Study(folder).forecast()
    assert kept is not None
    assert kept.device == "h100"
    ids = {run.run_id: run for run in Study(folder).runs()}
    assert kept.device_hours.keys() == ids.keys()
    planned = measured_times([], gpu=True, planned=kept)
    for run_id, hours in kept.device_hours.items():
        assert planned.seconds(ids[run_id]) == pytest.approx(3600 * hours)
        assert measured_times([], gpu=True, planned=kept, devices=4).seconds(ids[run_id]) == 900 * hours
    assert planned.source == "as the plan forecasts for h100"
    on_cpus = measured_times([], planned=kept)  # a forecast for a GPU says nothing of runs on CPUs
    assert on_cpus.source != planned.source
    given = measured_times([], gpu=True, planned=kept, flops_per_s=1e14)
    assert "as given" in given.source
    capsys.readouterr()


def test_a_slurm_job_asks_for_the_gpu_that_the_plan_names(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    study = Study(tmp_path / "x")
    assert cli.main([*BF16, "--device", "h100", "-o", str(study.folder)]) == cli.DONE
    assert with_planned_gpus(study, Cluster(kind="slurm")).gpus_per_run == 1
    assert with_planned_gpus(study, Cluster(kind="slurm", gpus_per_run=0)).gpus_per_run == 0
    assert with_planned_gpus(study, Cluster(kind="slurm", slurm=("gres=gpu:1",))).gpus_per_run is None
    assert with_planned_gpus(study, Cluster()).gpus_per_run is None
    study.forecast_path.unlink()
    assert with_planned_gpus(study, Cluster(kind="slurm")).gpus_per_run is None
    capsys.readouterr()
