"""Simulated studies: marked everywhere, never mixed with real runs, and a truth that is found as often as stated."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fits import read_fits, read_table
from fits.simulate.truth import truths
from jobs.record import read_records
from planners import Study, make_plan, preset
from scaling import cli


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A plan of five rates and three seeds."""
    from dataclasses import replace

    asked = replace(preset("smoke"), study="plan", top_ks=(0, 1, 2, 4, 8, 16), seeds=(0, 1, 2), data=None)
    made = Study(tmp_path / "plan")
    made.write(make_plan(asked))
    return made


def run(study: Study, *words: str) -> int:
    return cli.main(["simulate", str(study.folder), *words])


def test_every_record_and_page_says_that_the_losses_are_simulated(study, capsys):
    assert run(study, "--noise", "0.01", "--params", "best=0.2,bend=0.15", "--repeats", "20") == cli.DONE
    shown = capsys.readouterr().out
    assert shown.startswith("SIMULATED: the losses of 18 runs")
    assert "true r_a* 0.2" in shown
    assert "20 studies like this one" in shown
    records = [record for _, record in read_records(study)]
    assert all(record.flags == ("simulated",) and record.state == "done" for record in records)
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.DONE
    shown = capsys.readouterr().out
    assert shown.count(" simulated ") == 18
    assert "to train them, first run: python -m scaling.simulate" in shown
    assert cli.main(["fit", str(study.folder), "--law", "cubic"]) == cli.DONE
    assert "SIMULATED" in capsys.readouterr().out
    assert cli.main(["report", str(study.folder)]) in (cli.DONE, cli.GAPS)
    for page in ("report.md", "report.html"):
        assert "Simulated: these losses were drawn" in (study.report / page).read_text()


def test_json_is_one_object_and_the_same_seed_gives_the_same_losses(study, capsys):
    words = ("--noise", "0.01", "--repeats", "5", "--seed", "3", "--json")
    assert run(study, *words) == cli.DONE
    first = capsys.readouterr().out
    answer = json.loads(first)
    assert answer["simulated"] is True
    found = answer["found"][0]
    assert found["score"]["studies"] == 5
    assert found["written"]["optimum"]["of"] == "r_a"
    assert set(found["score"]["statuses"]) == {"converged", "edge", "not_identified", "no_minimum"}
    losses = read_table(study.runs_csv).numbers("loss").tolist()
    assert run(study, *words) == cli.DONE
    assert capsys.readouterr().out == first
    assert read_table(study.runs_csv).numbers("loss").tolist() == losses


def test_a_study_with_a_real_run_is_left_alone(study):
    from dataclasses import replace

    from jobs.record import write_record

    assert run(study, "--noise", "0.01", "--repeats", "0") == cli.DONE
    record = read_records(study)[3][1]
    write_record(study, replace(record, flags=()))
    before = {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()}
    for words in (("--noise", "0.02"), ("--clear",)):
        assert run(study, *words) == cli.USAGE
    assert {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()} == before


def test_a_run_that_has_begun_is_real(study):
    folder = study.run_folder(study.runs()[0].run_id)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 1, "D": 128, "loss": 5.0}\n')
    assert run(study, "--noise", "0.02") == cli.USAGE


def test_clear_removes_what_was_simulated(study):
    assert run(study, "--noise", "0.01", "--repeats", "0") == cli.DONE
    assert cli.main(["fit", str(study.folder), "--law", "quadratic"]) == cli.DONE
    assert run(study, "--clear") == cli.DONE
    assert all(record is None for _, record in read_records(study))
    assert not study.runs_csv.exists()
    assert list(study.fits.glob("*")) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "--noise SD"),
        (("--noise", "0.01", "--params", "beast=2"), "no parameter 'beast'"),
        (("--noise", "0.01", "--params", "best"), "is not NAME=VALUE"),
        (("--noise", "0.01", "--params", "best=-1"), "must be positive"),
        (("--noise", "0.01", "--law", "quadratic", "--params", "skew=1"), "is for the cubic"),
        (("--noise", "0.01", "--params", "floor=0.001,dense=-1"), "raise floor"),
        (("--noise", "9"), "less noise"),
        (("--noise", "-1"), "--noise"),
        (("--noise", "0.01", "--noise-family", "cauchy"), "gaussian, t3"),
        (("--noise", "0.01", "--fit", "chinchilla"), "not a curve of r_a"),
    ],
)
def test_mistakes_are_one_sentence(study, capsys, words, complaint):
    assert run(study, *words) == cli.USAGE
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (study.folder / "runs").exists()


def test_it_needs_no_torch(study):
    code = (
        f"from scaling.cli import main; main({['simulate', str(study.folder), '--noise', '0.01', '--repeats', '2']!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_a_published_law_fills_a_plan(study):
    assert run(study, "--law", "abnar", "--noise", "0.01", "--repeats", "3") == cli.DONE
    assert run(study, "--law", "ludziejewski", "--noise", "0.01", "--repeats", "0") == cli.DONE


def test_a_law_without_published_numbers_asks_for_them(study, capsys):
    assert "chinchilla" in truths()
    assert run(study, "--law", "chinchilla", "--noise", "0.01") == cli.USAGE
    assert "give --params with A, B, E, alpha, beta" in capsys.readouterr().err
    assert run(study, "--law", "spline", "--noise", "0.01") == cli.USAGE
    assert "law to simulate 'spline' is not one of quadratic, cubic, power_sum, chinchilla" in capsys.readouterr().err


def test_several_budgets_are_compared_and_a_moving_optimum_is_seen(tmp_path, capsys):
    from dataclasses import replace

    asked = replace(
        preset("smoke"), study="two", budgets=(5e10, 2e11), top_ks=(1, 2, 4, 8, 16), seeds=(0, 1, 2), data=None
    )
    made = Study(tmp_path / "two")
    made.write(make_plan(asked))
    assert (
        run(made, "--noise", "0.005", "--repeats", "4", "--params", "best=0.2,bend=0.2,move=0.3", "--json") == cli.DONE
    )
    found = json.loads(capsys.readouterr().out)["found"]
    assert len(found) == 2
    assert found[1]["best"] / found[0]["best"] == pytest.approx(4**0.3, rel=0.02)
    assert cli.main(["fit", str(made.folder), "--law", "cubic", "--json"]) == cli.DONE
    constancy = json.loads(capsys.readouterr().out)["constancy"]
    assert constancy["p"] < 0.01
    assert constancy["slopes"][0]["lo"] < 0.3 < constancy["slopes"][0]["hi"]
    assert read_fits(made.fits).constancy is not None
    assert cli.main(["fit", str(made.folder), "--law", "cubic"]) == cli.DONE
    assert "[[Constancy]] of r_a over 2 cells" in capsys.readouterr().out
