"""What a sweep prints: the jobs it would submit, their cost, and a next command that can be pasted."""

import re
import shlex
from dataclasses import replace

import pytest
from made_runs import begun, child_of, record_of, replan
from slurm_stand_in import ONE_EACH, StandIn

from jobs.record import write_record
from jobs.sweep.ledger import Ledger
from jobs.sweep.submit import submit
from planners import Study
from scaling import cli, cluster_flags
from scaling.sweep import arguments

GIVEN = {
    "slurm": ["--cluster", "slurm", "--partition", "gpu", "--account", "me", "--setup", "module load cuda", "--setup",
              "ulimit -c 0", "--slurm", "mem=3G", "--timeout-min", "7", "--max-jobs", "9"],
    "devices": ["--devices", "8", "--shard", "--no-compile", "--micro-batch", "4", "--gpus-per-run", "8"],
    "caps": ["--max-device-hours", "2.5", "--attempts", "5", "--parallel", "2", "--flops-per-s", "1e12"],
    "here": [],
}  # fmt: skip


def following(text: str) -> list[str]:
    """Return the arguments of the printed next command."""
    last = text.strip().splitlines()[-1]
    assert last.startswith("next: python -m scaling.sweep ")
    return shlex.split(last)[4:]


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("doing", [[], ["--status"], ["--retry"]], ids=["dry", "status", "retry"])
def test_the_next_command_repeats_the_cluster(
    twelve: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture, given: list[str], doing: list[str]
) -> None:
    write_record(twelve, record_of(twelve.runs()[0], "failed"))
    command = [str(twelve.folder), *doing, *given]
    cli.main(["sweep", *command])
    words = following(capsys.readouterr().out)
    asked, proposed = (arguments().parse_args(these) for these in (command, words))
    assert cluster_flags.cluster(proposed) == cluster_flags.cluster(asked)
    assert proposed.go
    assert proposed.retry == asked.retry
    assert len(words) == len([str(twelve.folder), "--go", *given]) + asked.retry  # and adds nothing


def test_the_next_commands_after_go_repeat_the_cluster(
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


def test_a_dry_run_shows_the_jobs_and_what_they_cost(
    twelve: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    """At 1 MFLOP/s per device: one run is done, one has no attempts left, one is in the queue, nine are left."""
    done, tired, *others = twelve.runs()
    write_record(twelve, record_of(done, wall_s=1800.0))
    begun(twelve, tired, times=3)
    submit(twelve, replace(ONE_EACH, max_jobs=1))
    taken = {run_id for one in Ledger(twelve).read() for run_id in one.run_ids}
    due = [spec for spec in others if spec.run_id not in taken]
    # evaluation costs a third of training per token, because it has no backward pass
    seconds = [spec.C / 1e6 * (1 + 16 * 32 / 3 / spec.training.D) for spec in due]
    command = ["sweep", str(twelve.folder), "--cluster", "slurm", "--flops-per-s", "1e6"]
    before = slurm_stand_in.queue
    assert cli.main([*command, "--pack", "0"]) == cli.GAPS
    shown = capsys.readouterr().out
    jobs = [line.split() for line in shown.splitlines() if re.fullmatch(r" *\d+ +1 +\d+ min.*", line)]
    assert [int(job[0]) for job in jobs] == list(range(1, 10))
    assert sorted(int(job[2]) for job in jobs) == sorted(round(one / 60) for one in seconds)
    cost = sum(spec.C for spec in due)
    assert f"9 of 12 runs to train in 9 jobs (slurm), {cost:.3g} FLOPs, {sum(seconds) / 3600:.3g} device-hours" in shown
    assert "(at 1e+06 FLOP/s per device, as given), 0.5 device-hours used; nothing was started" in shown
    assert "1 runs in flight, submitted in 1 jobs; 0 of them are training" in shown
    assert "withheld: 1 runs have used their 3 attempts" in shown
    assert slurm_stand_in.queue == before

    cli.main([*command, "--pack", "30", "--devices", "2"])
    packed = capsys.readouterr().out
    found = re.findall(r"^ *\d+ +(\d+) +(\d+) min", packed, re.MULTILINE)
    assert sum(int(runs) for runs, _ in found) == 9
    on_two = sum(seconds) / 2 / 60
    assert sum(int(minutes) for _, minutes in found) == pytest.approx(on_two, abs=len(found))
    assert f"{sum(seconds) / 3600:.3g} device-hours predicted" in packed


def test_a_long_list_of_jobs_is_cut_and_jobs_of_children_are_marked(
    twelve: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    specs = twelve.runs()
    children = [child_of(specs[0], specs[1], seed=20), child_of(specs[0], specs[1], seed=21)]
    replan(twelve, [*specs[:10], *children])
    cli.main(["sweep", str(twelve.folder), "--cluster", "slurm", "--pack", "0"])
    assert capsys.readouterr().out.count("after its parents") == 2
    replan(twelve, [*specs[:10], *children, *specs[10:]])
    cli.main(["sweep", str(twelve.folder), "--cluster", "slurm", "--pack", "0"])
    assert "… and 2 more" in capsys.readouterr().out
