"""The plan command: what it writes, what it refuses, and how it handles ten thousand arms."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fits import fit_study, from_records
from planners import Shape, Study, make_plan
from planners.formats import from_hf
from scaling import cli, plan, plan_flags

ROOT = Path(__file__).parent.parent.parent
USUAL = ["plan", "--budget", "1e18", "--total-params", "100M", "--activation", "1,.3", "--seq-len", "512"]

MISTAKES = {
    "zero N": (["--total-params", "0"], "'0'"),
    "negative rate": (["--activation=-.2"], "-.2"),
    "not a number": (["--budget", "nan"], "nan"),
    "beyond all numbers": (["--total-params", "1e400"], "1e400"),
    "no such suffix": (["--total-params", "1M,100Q"], "100Q"),
    "rate above 1": (["--activation", "20"], "20"),
    "top-k above the experts": (["--activation", "1", "--top-k", "5000"], "above n_experts"),
    "no such field": (["--vary", "experts=4"], "'experts'"),
    "value of another type": (["--vary", "n_layers=four"], "four"),
    "word of another list": (["--vary", "positions=absolute"], "rope"),
    "no value": (["--vary", "mu"], "FIELD=VALUE"),
    "varied twice": (["--vary", "mu=9", "--vary", "mu=10"], "twice"),
    "given and varied": (["--d-model", "512", "--vary", "d_model=256,512"], "given and varied"),
    "router with two values": (["--router", "jitter=0,.1"], "--vary router.jitter=0,.1"),
    "no such match": (["--match", "N=L"], "N=C=U"),
    "C where it follows": (["--match", "N=D", "--tokens", "1B"], "--budget"),
    "D where it follows": (["--tokens", "1B"], "--tokens"),
    "no D": (["--match", "C=D"], "--tokens"),
    "loose but equal": (["--match", "N=C=U", "--unique-tokens", "loose"], "loose"),
    "no such control": (["--controls", "best"], "'best'"),
    "no such arm": (["--lr-check", "K77"], "'K77'"),
    "no such arm to tune": (["--lr", "K77=.01"], "'K77'"),
    "a learning rate twice": (["--lr", ".1,.2"], "two values for all arms"),
    "no such arm to add": (["--add", "K7x=3"], "'K7x'"),
    "no seeds to add": (["--add", "K7"], "ARM=SEED"),
    "no such budget to add": (["--add", "dense@2e18=3"], "at C 2e+18"),
    "no such arm to control": (["--controls", "active:K77"], "'K77'"),
    "negative slope": (["--loss-slope=-1"], "-1"),
    "export to nowhere": (["--export", "hf"], "-o"),
    "zeta of a fixed shape": (["--d-model", "512", "--n-layers", "8", "--vary", "zeta=50"], "zeta"),
    "an encoder": (["--vary", "causal=false"], "encoder"),
    "aspect of a fixed width": (["--hold", "aspect", "--d-model", "512"], "d_model"),
}


@pytest.mark.parametrize(("flags", "names"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_and_writes_nothing(
    flags: list[str], names: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = [] if "--export" in flags else ["-o", str(tmp_path / "x")]
    code = cli.main([*USUAL, *flags, *out])
    shown = capsys.readouterr()
    assert code == cli.USAGE, shown
    assert names in shown.err
    assert shown.err.startswith("error: ")
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def without_id(folder: Path) -> dict[str, str]:
    """Return the text of each file of a study without the random id of that study."""
    return {path.name: path.read_text().replace(str(Study(folder).id()), "ID") for path in folder.iterdir()}


def test_the_same_plan_twice_is_the_same_bytes_and_another_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    flags = ["--vary", "norm=rmsnorm,layernorm", "--controls", "optimal,active:.3", "--lr-check", "--seeds", "0,1"]
    folders = [tmp_path / "a" / "x", tmp_path / "b" / "x"]
    for folder in folders:
        assert cli.main([*USUAL, *flags, "-o", str(folder)]) == cli.DONE
    kept = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert without_id(folders[0]) == without_id(folders[1])
    capsys.readouterr()
    assert cli.main([*USUAL, *flags, "-o", str(folders[0])]) == cli.DONE
    assert "unchanged" in capsys.readouterr().out
    assert cli.main([*USUAL, "--seq-len", "1024", "-o", str(folders[0])]) == cli.USAGE
    assert "another question (held against asked: seq_len 512 against 1024)" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folders[0].iterdir()} == kept[0]
    asked, runs = Study(folders[0]).asked(), Study(folders[0]).runs()
    assert asked.question.match == "N=C"
    assert {run.role for run in runs} == {"matched", "control", "lr_check"}


GROWING = {
    "seeds": (["--seeds", "0,1,2"], 2),
    "budgets": (["--budget", "1e18,3e18"], 4),
    "a rate": (["--activation", "1,.3,.2"], 2),
    "a K outside the grid": (["--add", "K7=0,1"], 2),
    "seeds of one arm": (["--add", "dense=7,8", "--add", ".3@1e18=7"], 3),
    "controls": (["--controls", "optimal"], 2),
}


@pytest.mark.parametrize(("flags", "new"), GROWING.values(), ids=GROWING)
def test_a_study_grows_in_place(flags: list[str], new: int, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """What is planned stays; flags that are left out stand as the study holds them."""
    study = Study(tmp_path / "x")
    assert cli.main([*USUAL, "--seeds", "0,1", "-o", str(study.folder)]) == cli.DONE
    before = [run.run_id for run in study.runs()]
    code = cli.main(["plan", *flags, "-o", str(study.folder)])
    assert code == cli.DONE, capsys.readouterr().err
    assert f"{len(before)} runs stay and {new} are new" in capsys.readouterr().out
    after = [run.run_id for run in study.runs()]
    assert set(before) < set(after)
    assert len(after) == len(before) + new
    assert study.asked().widened == (cli.command("plan", *flags),)
    assert cli.main(["plan", *flags, "-o", str(study.folder)]) == cli.DONE
    assert cli.main([*USUAL, "--seeds", "0,1", "-o", str(study.folder)]) == cli.DONE
    assert f"unchanged: {study.folder}" in capsys.readouterr().out
    assert [run.run_id for run in study.runs()] == after


def test_each_arm_has_its_own_learning_rate_and_batch() -> None:
    flags = ["--controls", "active:.3", "--lr", ".3=.004,dense=.002,.01", "--batch-tokens", "dense=8192"]
    runs = make_plan(plan_flags.question(plan.arguments().parse_args([*USUAL[1:], *flags]))[0]).runs
    found = {run.arm: (run.training.lr, run.recipe) for run in runs}
    assert found["dense"] == (0.002, "step-law, lr and batch given")
    assert found["K10"] == (0.004, "step-law, lr given")
    assert found["dense N_a of K10"] == (0.01, "step-law, lr given")  # of another N, so `dense` does not mean it
    assert {run.training.batch_tokens for run in runs if run.arm == "dense"} == {8192}


def test_a_study_does_not_shrink(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*USUAL, "--seeds", "0,1", "-o", str(tmp_path / "x")]) == cli.DONE
    assert cli.main(["plan", "--seeds", "1,2", "--margin", ".1", "-o", str(tmp_path / "x")]) == cli.USAGE
    error = capsys.readouterr().err
    assert "seeds 0,1 against 1,2" in error
    assert "margin none against 0.1" in error


def test_an_l_shaped_grid_has_the_first_of_each_axis() -> None:
    made = plan_flags.question(
        plan.arguments().parse_args([*USUAL[1:], "--total-params", "100M,50M", "--budget", "1e18,2e18", "--grid", "L"])
    )[0]
    cells = {(run.target["N"], run.target["C"]) for run in make_plan(made).runs}
    assert cells == {(1e8, 1e18), (1e8, 2e18), (5e7, 1e18)}


def test_a_plan_is_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    """Strings hash anew in each process, so an order that rests on a set differs between them."""
    flags = ["--vary", "norm=rmsnorm,layernorm", "--controls", "optimal", "--unique-tokens", "strict,loose,1B"]
    for seed in "123":
        command = [sys.executable, "-m", "scaling.plan", *USUAL[1:], *flags, "-o", str(tmp_path / seed / "x")]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed})
    plans = [without_id(tmp_path / seed / "x") for seed in "123"]
    assert plans[0] == plans[1] == plans[2]


def test_the_written_command_gives_the_plan_again(tmp_path: Path) -> None:
    flags = ["--vary", "mu=15,22", "--router", "jitter=.1", "--lr-check", "dense", "--unique-tokens", "strict,10M"]
    assert cli.main([*USUAL, *flags, "-o", str(tmp_path / "x")]) == cli.DONE
    study = Study(tmp_path / "x")
    command = study.asked().command
    assert command is not None
    words = command.split()[2:]
    assert cli.main(["plan", *words[1:], "-o", str(tmp_path / "again" / "x")]) == cli.DONE
    assert Study(tmp_path / "again" / "x").plan_path.read_bytes() == study.plan_path.read_bytes()


def test_json_holds_runs_refusals_notes_and_residuals(capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*USUAL, "--loss-slope", ".05", "--activation", "1,.3,.01", "--json"]) == cli.GAPS
    found = json.loads(capsys.readouterr().out)
    assert [run["arm"] for run in found["runs"]] == ["dense", "K10"]
    assert len(found["refused"]) == 1
    assert "floor" in found["refused"][0]["reason"]
    for run, missed in zip(found["runs"], found["residuals"], strict=True):
        assert missed["run_id"] == run["run_id"]
        assert missed["N"] == pytest.approx(run["N"] / 1e8 - 1)
        assert missed["loss"] == pytest.approx(-0.05 * missed["C"], rel=1e-2)


@pytest.mark.parametrize(
    "flags", [USUAL[1:], ["--match", "N=D", "--tokens", "1B", *USUAL[3:]], ["--preset", "li2025-2b"]]
)
def test_c_is_never_shown_without_its_convention(flags: list[str], capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["plan", *flags, "--flops", "6nd"]) == cli.DONE
    heading = capsys.readouterr().out.splitlines()[0]
    assert "FLOPs (6nd)" in heading or "C in 6nd FLOPs" in heading


def test_residuals_stand_in_the_table(capsys: pytest.CaptureFixture) -> None:
    assert cli.main([*USUAL, "--loss-slope", ".05", "--wide"]) == cli.DONE
    header = capsys.readouterr().out.splitlines()[2].split()
    assert {"dN", "dr_a", "dC", "dL"} <= set(header)
    assert "role" not in header
    assert cli.main([*USUAL[:1], "--match", "N=D", "--tokens", "1B", *USUAL[3:], "--lr-check", "--wide"]) == cli.DONE
    header = capsys.readouterr().out.splitlines()[2].split()
    assert {"dN", "dD", "role"} <= set(header)
    assert "dC" not in header


def test_a_slope_can_come_from_a_fit(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = [
        {"N": N, "D": D, "C": 6 * N * D, "loss": 1.8 + 480 / N**0.35 + 2000 / D**0.37}
        for N in (5e7, 1e8, 2e8, 4e8)
        for D in (1e9, 2e9, 4e9, 8e9)
    ]
    fit_study(from_records(rows), ["chinchilla"], folder=tmp_path, bootstrap=0)
    flags = [*USUAL, "--loss-slope", str(tmp_path / "fits.json")]
    assert cli.main([*flags, "-o", str(tmp_path / "x")]) == cli.DONE
    D = 1e18 / 6 / 1e8
    assert Study(tmp_path / "x").asked().question.loss_slope == pytest.approx(0.37 * 2000 / D**0.37, rel=0.02)
    capsys.readouterr()
    assert cli.main([*USUAL, "--loss-slope", str(tmp_path / "absent.json")]) == cli.USAGE
    assert "absent.json" in capsys.readouterr().err


def test_a_match_takes_the_place_of_what_a_preset_gives(capsys: pytest.CaptureFixture) -> None:
    flags = ["--preset", "smoke", "--data", "none", "--match", "N=D", "--tokens", "100k", "--vary", "n_layers=3,4"]
    assert cli.main(["plan", *flags, "--json"]) == cli.DONE
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert {run["D"] for run in runs} == {99968}
    assert {run["shape"]["n_layers"] for run in runs} == {3, 4}


@pytest.mark.parametrize(("flag", "name", "amount"), [("--tokens", "D", 98304), ("--budget", "C", 3e13)])
def test_an_amount_takes_the_place_of_those_of_given_arms(
    flag: str, name: str, amount: float, capsys: pytest.CaptureFixture
) -> None:
    """So a preset whose arms are given can be tried in a few steps."""
    flags = ["--preset", "tinystories-moe", "--data", "none", flag, str(amount), "--json"]
    assert cli.main(["plan", *flags]) == cli.DONE
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert len(runs) == 13
    for run in runs:
        assert run["target"] == {name: amount}
        assert run[name] == pytest.approx(amount, rel=0.05)
        assert (run["batch_tokens"], run["lr"]) == (4096, 3e-4)  # what the preset says besides stays


def test_another_n_frees_what_a_preset_fixes_for_its_own(capsys: pytest.CaptureFixture) -> None:
    flags = ["plan", "--preset", "laptop", "--data", "none", "--seeds", "0", "--json"]
    assert cli.main([*flags, "--total-params", "3M", "--d-expert", "32"]) == cli.DONE
    made = json.loads(capsys.readouterr().out)
    freed = {default["flag"]: default["reason"] for default in made["defaults"]}
    assert {"--d-model", "--dense-d-model", "--n-layers", "--margin"} <= freed.keys()
    assert "--d-expert" not in freed
    assert "296k" in freed["--d-model"]
    assert {run["shape"]["d_expert"] for run in made["runs"]} == {0, 32}
    assert cli.main([*flags, "--total-params", "296k"]) == cli.DONE
    assert not json.loads(capsys.readouterr().out)["defaults"]
    given = ["plan", "--preset", "tinystories-moe", "--data", "none", "--total-params", "1B"]
    assert cli.main(given) == cli.USAGE
    assert "drop --total-params" in capsys.readouterr().err


def test_a_budget_alone_is_written_and_planned_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    first, second = tmp_path / "a" / "x", tmp_path / "b" / "x"
    assert cli.main(["plan", "--budget", "1e13", "-o", str(first)]) == cli.DONE
    assert "default: --activation" in capsys.readouterr().out
    command = Study(first).asked().command
    assert command is not None
    assert cli.main([*command.split()[2:][0].split(".")[1:], *command.split()[3:], "-o", str(second)]) == cli.DONE
    assert (first / "plan.jsonl").read_bytes() == (second / "plan.jsonl").read_bytes()


def test_arms_are_exported_with_every_parameter(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "x"
    flags = [*USUAL, "--budget", "1e18,2e18", "--lr-check", "--export", "hf", "-o", str(folder)]
    assert cli.main(flags) == cli.DONE
    runs = Study(folder).runs()
    assert f"exported: {len(runs)} runs" in capsys.readouterr().out
    for run in runs:
        [path] = (folder / "hf").glob(f"*-{run.run_id}/config.json")
        gates = run.shape.d_model * run.shape.n_moe_layers  # the constant gates of qwen2_moe
        assert from_hf(json.loads(path.read_text())).total == run.shape.total + gates
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert cli.main(flags) == cli.DONE
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_no_configuration_expresses_is_a_gap_and_nothing_at_all_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    flags = [*USUAL, "--export", "hf"]
    assert cli.main([*flags, "--vary", "positions=rope,alibi", "-o", str(tmp_path / "some")]) == cli.GAPS
    assert "not exported: dense positions=alibi (" in capsys.readouterr().err
    assert sorted(path.name.rpartition("-")[0] for path in (tmp_path / "some" / "hf").iterdir()) == [
        "K10-positions=rope", "dense-positions=rope"
    ]  # fmt: skip
    assert cli.main([*flags, "--vary", "positions=alibi", "-o", str(tmp_path / "none")]) == cli.USAGE
    assert not (tmp_path / "none").exists()


MANY = """
import sys
from pathlib import Path
from scaling.cli import main
budgets = ",".join(f"{1e18 * 1.1**i:.4g}" for i in range(50))
rates = ",".join(["1", *(f"{0.12 + 0.018 * i:.3f}" for i in range(39))])
flags = ["--budget", budgets, "--total-params", "100M", "--activation", rates, "--seeds", "0,1,2,3,4"]
code = main(["plan", *flags, *sys.argv[1:]])
# of this process image alone; ru_maxrss would begin with that of pytest, which started it
most = 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
print(code, most, "torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("how", ["-o", "--json"])
def test_ten_thousand_arms_need_little_memory_and_no_torch(how: str, tmp_path: Path) -> None:
    flags = ["-o", str(tmp_path / "x")] if how == "-o" else ["--json"]
    done = subprocess.run([sys.executable, "-c", MANY, *flags], capture_output=True, text=True, cwd=ROOT)
    code, most, torch = done.stderr.split()[-3:]
    assert int(code) in (cli.DONE, cli.GAPS), done.stderr
    assert int(most) < 1e9
    assert torch == "False"
    lines = (tmp_path / "x" / "plan.jsonl").read_text().splitlines() if how == "-o" else json.loads(done.stdout)["runs"]
    assert len(lines) >= 9000


def test_budgets_seeds_and_training_settings_match_no_shape_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ten thousand arms cost is their lines: shapes are matched once for each N and style."""
    from planners import Question, make_plan
    from planners.matching import equal_params
    from planners.varied_fields import parse_varied

    built = 0
    check = Shape.__post_init__

    def counted(shape: Shape) -> None:
        nonlocal built
        built += 1
        check(shape)

    monkeypatch.setattr(Shape, "__post_init__", counted)
    counts = []
    for budgets, seeds, decays in (
        ((1e18,), (0,), "0"),
        (tuple(i * 1e18 for i in range(1, 11)), tuple(range(5)), "0,.1,.2"),
    ):
        equal_params.match_moe.cache_clear()
        equal_params.match_dense.cache_clear()
        built = 0
        asked = Question(
            study="x", total_params=1e8, budgets=budgets, seeds=seeds, activations=(1.0, 0.5, 0.3),
            vary=(parse_varied(f"weight_decay={decays}"),),
        )  # fmt: skip
        make_plan(asked)
        counts.append(built)
    assert counts[0] == counts[1]
