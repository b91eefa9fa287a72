"""The commands as a person types them: help without torch, and every mistake one sentence with exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.corpora import describe
from planners import Study
from scaling import cli

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("torch", "pandas", "scipy", "matplotlib", "datasets", "submitit")


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_has_an_example_and_loads_nothing_heavy(verb: str) -> None:
    code = f"""
import runpy, sys
sys.argv = ["x", "--help"]
try:
    runpy.run_module("scaling.{verb}", run_name="__main__")
except SystemExit as stopped:
    assert not stopped.code
print("LOADED", [name for name in {HEAVY} if name in sys.modules])
"""
    shown = command("-c", code)
    assert f"python -m scaling.{verb}" in shown.stdout
    assert "example:" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "LOADED []", shown.stderr


@pytest.mark.parametrize("name", ["scaling", "planners", "jobs", "fits", "reports", "jobs.record", "jobs.run.worker"])
def test_packages_start_without_torch(name: str) -> None:
    assert command("-c", f"import {name}, sys; sys.exit('torch' in sys.modules)").returncode == 0


def torch_free(*arguments: str) -> int:
    """Run a command in a process of its own and return its exit code, having seen that it did not load torch."""
    run = f"from scaling.cli import main; code = main({list(arguments)!r})"
    done = command("-c", f"import sys; {run}; print('torch' in sys.modules); sys.exit(code)")
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    return done.returncode


def test_planning_and_showing_need_no_torch(tiny_study: Study) -> None:
    assert torch_free("plan", "--preset", "smoke") == cli.DONE
    assert torch_free("sweep", str(tiny_study.folder)) == cli.DONE


def test_fitting_and_reporting_need_no_torch(tiny_study: Study) -> None:
    trained = command("-c", f"import sys; from jobs.run.worker import Worker; Worker({str(tiny_study.folder)!r})("
                      f"{[spec.run_id for spec in tiny_study.runs()]!r})")  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert torch_free("fit", str(tiny_study.folder)) == cli.DONE
    assert torch_free("report", str(tiny_study.folder)) == cli.DONE


MISTAKES = {
    "unknown preset": (["plan", "--preset", "smog"], "smog"),
    "negative budget": (["plan", "--budget=-1e18", "--total-params", "1M", "--activation", "1"], "-1e18"),
    "infinite budget": (["plan", "--budget", "1e400", "--total-params", "1M", "--activation", "1"], "1e400"),
    "unknown suffix": (["plan", "--budget", "1e18", "--total-params", "100Q", "--activation", "1"], "100Q"),
    "budget too small": (["plan", "--budget", "1e3", "--total-params", "1M", "--activation", "1"], "steps"),
    "budget beyond the data": (["plan", "--preset", "smoke", "--budget", "1e40"], "unique tokens"),
    "r_a above 1": (["plan", "--budget", "1e15", "--total-params", "1M", "--activation", "1.5"], "1.5"),
    "r_a zero": (["plan", "--budget", "1e15", "--total-params", "1M", "--activation", "0"], "0"),
    "r_a below the floor": (["plan", "--budget", "1e15", "--total-params", "1M", "--activation", ".01"], "floor"),
    "no budget": (["plan", "--total-params", "1M", "--activation", "1"], "--budget"),
    "no amount": (["plan", "--activation", "1,.2"], "--budget 1e20 is enough"),
    "heads that do not divide": (["plan", "--preset", "smoke", "--n-heads", "7"], "n_heads 7"),
    "unreadable corpus": (["plan", "--preset", "smoke", "--data", "text:/no/such/file"], "/no/such/file"),
    "unknown corpus": (["plan", "--preset", "smoke", "--data", "wiki"], "wiki"),
    "unknown flag": (["plan", "--sped", "3"], "--sped"),
    "unknown study preset": (["study", "smog"], "smog"),
    "no study": (["sweep", "/no/such/study"], "no study"),
    "no study to report": (["report", "/no/such/study"], "study"),
    "no study to fit": (["fit", "/no/such/study"], "study"),
    "unknown cluster": (["sweep", "/no", "--cluster", "cloud"], "cloud"),
    "unknown run": (["train", "{study}", "zzz"], "zzz"),
    "nothing trained to fit": (["fit", "{study}"], "no run"),
    "nothing trained to report": (["report", "{study}"], "no run"),
    "unknown law": (["fit", "{study}", "--law", "square"], "square"),
    "neither study nor table": (["fit"], "study or --runs"),
    "study and table without run_id": (["fit", "{study}", "--runs", "{csv}"], "run_id"),
    "condition on an unknown column": (["fit", "--runs", "{csv}", "--where", "M>3"], "no column M"),
    "table without the columns": (["fit", "--runs", "{csv}", "--law", "chinchilla"], "D"),
    "no table": (["fit", "--runs", "/no/such.csv"], "/no/such.csv"),
    "bad columns": (["fit", "--runs", "{csv}", "--columns", "N"], "OURS=THEIRS"),
    "empty text corpus": (["plan", "--preset", "smoke", "--data", "text:"], "text:"),
    "study is a file": (["plan", "--preset", "smoke", "-o", "{csv}"], "is a file"),
    "study preset on a file": (["study", "smoke", "-o", "{csv}"], "is a file"),
    "list for a number": (["plan", "--preset", "smoke", "--seq-len", "1,2"], "is a list"),
    "less than a token": (["plan", "--preset", "smoke", "--batch-tokens", "0.4"], "one token"),
    "vocabulary of a preset": (["plan", "--preset", "smoke", "--vocab-size", "5"], "corpus brings its own"),
    "vocabulary twice": (
        ["plan", "--budget", "1e13", "--total-params", "1M", "--top-k", "1", "--data", "stdlib", "--vocab-size", "99"],
        "corpus brings its own",
    ),
    "empty number": (["plan", "--preset", "smoke", "--lr", ""], "--lr"),
    "too many decisions": (["plan", "--preset", "smoke", "--top-k", "4", "--activation", ".2"], "d_expert"),
    "columns of a study": (["fit", "{study}", "--columns", "N=n"], "--columns"),
    "empty folder": (["sweep", "{empty}"], "cannot be read"),
    "nothing to train": (["sweep", "{empty}", "--go"], "cannot be read"),
    "no folder to train": (["sweep", "{empty}/study", "--go"], "holds no study"),
    "nothing to cancel": (["sweep", "{empty}/study", "--cancel"], "holds no study"),
}


@pytest.fixture(scope="module")
def embedded_corpus() -> None:
    """Read the embedded corpus now: on a busy machine its progress bar would stand on standard error later."""
    describe("stdlib")


@pytest.mark.usefixtures("embedded_corpus")
@pytest.mark.parametrize(("arguments", "names"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    arguments: list[str], names: str, tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "runs.csv").write_text("N,loss\n1e6,3.0\n")
    (tmp_path / "empty").mkdir()
    places = {"study": tiny_study.folder, "csv": tmp_path / "runs.csv", "empty": tmp_path / "empty"}
    before = sorted(tmp_path.rglob("*"))
    code = cli.main([argument.format(**places) for argument in arguments])
    shown = capsys.readouterr()
    assert code == cli.USAGE
    assert names in shown.err
    assert shown.err.startswith("error: ")
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_torn_and_edited_studies_are_one_sentence(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    whole = tiny_study.plan_path.read_text()
    for content in ("", whole[:-30], whole.replace('"seed": 0', '"seed": 9', 1), "{}\n", "[1]\n"):
        tiny_study.plan_path.write_text(content)
        for verb in (["sweep", "--go"], ["fit"], ["report"], ["train"]):
            extra = ["a"] if verb == ["train"] else []
            assert cli.main([verb[0], str(tiny_study.folder), *extra, *verb[1:]]) == cli.USAGE
            error = capsys.readouterr().err.strip()
            assert error.startswith("error: ")
            assert "\n" not in error


def test_another_question_is_refused_and_nothing_changes(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    before = {path: path.read_bytes() for path in tiny_study.folder.iterdir()}
    assert cli.main(["plan", "--preset", "smoke", "-o", str(tiny_study.folder)]) == cli.USAGE
    assert "another question" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tiny_study.folder.iterdir()} == before


def test_json_is_one_object_and_nothing_else(capsys: pytest.CaptureFixture) -> None:
    code = cli.main(["plan", "--json", "--budget", "1e15", "--total-params", "3M", "--activation", "1,.5,.1"])
    shown = json.loads(capsys.readouterr().out)
    assert code == cli.GAPS
    assert len(shown["runs"]) == 2
    assert "floor" in shown["refused"][0]["reason"]
    first = shown["runs"][0]
    for name in ("run_id", "N", "N_a", "N_vocab", "r_a", "D", "U", "epochs", "C", "flops_convention", "lr", "seed"):
        assert first[name] is not None
    assert set(first["flops_per_token"]) == {"exact", "li2025", "6nd"}


def test_a_plan_with_gaps_shows_both(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["plan", "--budget", "1e15", "--total-params", "3M", "--activation", "1,.1"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "refused: r_a 0.1" in shown.err
    assert "dense" in shown.out


def test_a_closed_pipe_is_not_an_error() -> None:
    code = "import sys; from scaling.cli import main; sys.exit(main(['plan', '--preset', 'smoke']))"
    done = subprocess.run(f'{sys.executable} -c "{code}" | true; exit ${{PIPESTATUS[0]}}', shell=True, cwd=ROOT,
                          executable="/bin/bash", capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0
    assert "error" not in done.stderr.lower()


def test_rates_replace_the_top_ks_of_a_preset(capsys: pytest.CaptureFixture) -> None:
    flags = ["plan", "--json", "--preset", "smoke", "--activation", "1,.4", "--total-params", "300k"]
    assert cli.main(flags) == cli.DONE
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["shape"]["top_k"] for run in runs] == [0, 15]
    assert runs[1]["shape"]["d_model"] == 32


def test_router_settings_reach_the_runs(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    settings = ["--router", "score=sigmoid", "--router", "balance=0", "--router", "capacity_factor=1.5"]
    words = ["plan", "--preset", "smoke", *settings, "-o", str(tmp_path / "routed")]
    assert cli.main([*words, "--json"]) == cli.DONE
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["router"]["score"] for run in runs] == ["softmax", "sigmoid", "sigmoid", "sigmoid"]
    assert runs[1]["router"]["balance"] == 0
    assert runs[1]["router"]["capacity_factor"] == 1.5
    command = Study(tmp_path / "routed").asked().command
    assert command == "python -m scaling.plan --preset smoke " + " ".join(settings)
    for wrong in ("balance", "speed=3", "jitter=2", "renormalise=1", "score=hash"):
        assert cli.main(["plan", "--preset", "smoke", "--router", wrong]) == cli.USAGE
        assert capsys.readouterr().err.startswith("error: ")


def test_the_package_is_a_command_too() -> None:
    shown = command("-m", "scaling", "--help")
    assert shown.returncode == 0
    assert "scaling VERB" in shown.stdout
