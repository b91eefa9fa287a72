"""What a sweep prints: the jobs that it would submit, what they cost, and a next command that can be pasted."""

import shlex

import pytest
from slurm_stand_in import StandIn, record_of

from jobs.record import write_record
from planners import Study
from scaling import cli, clusters
from scaling.sweep import arguments

GIVEN = {
    "slurm": ["--cluster", "slurm", "--partition", "gpu", "--account", "me", "--setup", "module load cuda", "--setup",
              "ulimit -c 0", "--slurm", "mem=3G", "--timeout-min", "7", "--max-jobs", "9"],
    "devices": ["--devices", "8", "--shard", "--no-compile", "--micro-batch", "4", "--gpus-per-run", "8"],
    "caps": ["--max-device-hours", "2.5", "--attempts", "5", "--parallel", "2", "--flops-per-s", "1e12"],
    "here": [],
}  # fmt: skip


def following(text: str) -> list[str]:
    """Return the words of the next command after those that name the program."""
    last = text.strip().splitlines()[-1]
    assert last.startswith("next: python -m scaling.sweep ")
    return shlex.split(last)[4:]


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("doing", [[], ["--status"], ["--retry"]], ids=["dry", "status", "retry"])
def test_the_next_command_trains_where_this_one_would(
    twelve: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture, given: list[str], doing: list[str]
) -> None:
    write_record(twelve, record_of(twelve.runs()[0], "failed"))
    command = [str(twelve.folder), *doing, *given]
    cli.main(["sweep", *command])
    words = following(capsys.readouterr().out)
    asked, proposed = (arguments().parse_args(these) for these in (command, words))
    assert clusters.cluster(proposed) == clusters.cluster(asked)
    assert proposed.go
    assert proposed.retry == asked.retry
    assert len(words) == len([str(twelve.folder), "--go", *given]) + asked.retry  # and says nothing of its own


def test_the_next_commands_after_going_say_where_too(
    twelve: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    there = ["--cluster", "slurm", "--partition", "gpu"]
    cli.main(["sweep", str(twelve.folder), "--go", *there])
    assert following(capsys.readouterr().out) == [str(twelve.folder), "--status", *there]
    cli.main(["sweep", str(twelve.folder), "--cancel", *there])
    assert following(capsys.readouterr().out) == [str(twelve.folder), "--status", *there]
    for spec in twelve.runs():
        write_record(twelve, record_of(spec, "failed"))
    cli.main(["sweep", str(twelve.folder), "--go", "--wait", *there])
    assert following(capsys.readouterr().out) == [str(twelve.folder), "--go", "--retry", "--wait", *there]
