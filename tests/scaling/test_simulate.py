"""Simulated studies: marked everywhere, never mixed with real runs, and a truth that is found as often as stated."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fits import fit_law, from_records, read_fits, read_table
from fits.simulate.coverage import Noise, measure_coverage
from fits.simulate.truth import truth_of, truths
from jobs.record import read_records
from planners import Study, UsageError, make_plan, preset
from scaling import cli, fit, report, simulate, sweep


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A plan of five rates and three seeds."""
    from dataclasses import replace

    asked = replace(preset("smoke"), study="plan", top_ks=(0, 1, 2, 4, 8, 16), seeds=(0, 1, 2), data=None)
    made = Study(tmp_path / "plan")
    made.write(make_plan(asked))
    return made


def run(study: Study, *words: str) -> int:
    return simulate.main([str(study.folder), *words])


def test_it_fills_the_plan_and_says_simulated_everywhere(study, capsys):
    assert run(study, "--noise", "0.01", "--params", "best=0.2,bend=0.15", "--repeats", "20") == cli.DONE
    shown = capsys.readouterr().out
    assert shown.startswith("SIMULATED: the losses of 18 runs")
    assert "true r_a* 0.2" in shown
    assert "20 studies like this one" in shown
    records = [record for _, record in read_records(study)]
    assert all(record.flags == ("simulated",) and record.state == "done" for record in records)
    assert sweep.main([str(study.folder), "--status"]) == cli.DONE
    shown = capsys.readouterr().out
    assert shown.count(" simulated ") == 18
    assert "to train them, first run: python -m scaling.simulate" in shown
    assert fit.main([str(study.folder), "--law", "cubic"]) == cli.DONE
    assert "SIMULATED" in capsys.readouterr().out
    assert report.main([str(study.folder)]) in (cli.DONE, cli.GAPS)
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
    assert fit.main([str(study.folder), "--law", "quadratic"]) == cli.DONE
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
    code = f"from scaling.simulate import main; main({[str(study.folder), '--noise', '0.01', '--repeats', '2']!r})"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


# --- the truth and the noise


def plan_table(seeds=4, budgets=(1e12, 2e12)):
    rates = (0.1, 0.2, 0.4, 1.0)
    rows = [
        {"r_a": rate, "C": C, "N": 1e6, "n_experts": 8 * (rate < 1), "seed": seed, "loss": 1.0}
        for C in budgets for seed in range(seeds) for rate in rates
    ]  # fmt: skip
    return from_records(rows)


def test_the_truth_is_what_its_parameters_say():
    table = plan_table()
    truth = truth_of(
        "cubic", {"best": 0.2, "bend": 0.1, "skew": -0.02, "slope": -0.2, "move": 0.3, "dense": 0.4}, table
    )
    part = table.only(table.numbers("C") < 1.5e12)
    best, lowest = truth.optimum(part)
    assert best == pytest.approx(0.2 * 2**-0.15)
    assert lowest == pytest.approx(2.5 + 0.2 * math.log(2) / 2)
    u = math.log(0.4 / best)
    losses = dict(zip(part.rates().tolist(), truth.losses(part).tolist(), strict=True))
    assert losses[0.4] == pytest.approx(lowest + 0.1 * u**2 - 0.02 * u**3)
    assert losses[1.0] == pytest.approx(lowest + 0.4)


@pytest.mark.parametrize("family", ["gaussian", "t3"])
def test_noise_has_the_sd_and_the_blocks_asked_for(family):
    table = plan_table(seeds=4000, budgets=(1e12,))
    noise = Noise(sd=0.01, seed_sd=0.03, family=family).draw(table, np.random.default_rng(0)).reshape(4000, 4)
    assert noise.mean(axis=1).std() == pytest.approx(math.hypot(0.03, 0.005), rel=0.1)
    assert (noise - noise.mean(axis=1, keepdims=True)).std() * math.sqrt(4 / 3) == pytest.approx(0.01, rel=0.15)


def test_a_score_counts_one_sided_intervals_and_leaves_out_what_claims_nothing():
    table = plan_table(seeds=3, budgets=(1e12,))
    optimum = fit_law(table.only(table.rates() < 1), "quadratic").optimum
    from dataclasses import replace

    def one(status, lo, hi, **others):
        return replace(optimum, status=status, lo=lo, hi=hi, **others)

    found = measure_coverage(
        [
            one("converged", 0.1, 0.3, loss_lo=2.4, loss_hi=2.6),
            one("converged", 0.25, 0.4, loss_lo=2.6, loss_hi=2.7),
            one("edge", None, 0.2, loss_lo=None, loss_hi=None),
            one("edge", 0.15, None, loss_lo=None, loss_hi=None),
            one("no_minimum", None, None),
        ],
        (0.1, 0.4),
        best=0.2,
        lowest=2.5,
    )
    assert found.statuses == {"converged": 0.4, "edge": 0.4, "not_identified": 0, "no_minimum": 0.2}
    assert (found.held, found.loss_held) == (0.75, 0.5)


def test_a_curve_needs_moe_runs():
    with pytest.raises(UsageError, match="plans no MoE run"):
        truth_of("cubic", {}, from_records([{"r_a": 1.0, "C": 1e12, "n_experts": 0, "loss": 1.0}]))


ACTIVATION = {"A": 400, "B": 410, "E": 1.7, "alpha": 0.34, "beta": 0.28, "kappa": 0.2, "r_star": 0.2,
              "drift_N": 0.0, "drift_C": 0.0}  # fmt: skip


def test_a_law_of_several_columns_is_a_truth_with_its_own_optimum():
    rates = np.geomspace(0.06, 0.6, 7)
    table = from_records([{"r_a": rate, "N": 1e9, "C": 1e20, "n_experts": 64, "loss": 1.0} for rate in rates.tolist()])
    truth = truth_of("activation", ACTIVATION, table)
    best, lowest = truth.optimum(table)
    assert best == pytest.approx(0.2, rel=1e-3)
    assert lowest == pytest.approx(1.7 + 400 * 1e9**-0.34 + 410 * (1e20 / 6e9) ** -0.28, rel=1e-6)
    assert truth.losses(table).min() >= lowest


def test_a_published_law_fills_a_plan(study):
    assert run(study, "--law", "abnar", "--noise", "0.01", "--repeats", "3") == cli.DONE
    assert run(study, "--law", "ludziejewski", "--noise", "0.01", "--repeats", "0") == cli.DONE


def test_a_law_without_published_numbers_asks_for_them(study, capsys):
    assert "chinchilla" in truths()
    assert run(study, "--law", "chinchilla", "--noise", "0.01") == cli.USAGE
    assert "give --params with A, B, E, alpha, beta" in capsys.readouterr().err
    assert run(study, "--law", "spline", "--noise", "0.01") == cli.USAGE
    assert "law to simulate 'spline' is not one of quadratic, cubic, chinchilla" in capsys.readouterr().err


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
    assert fit.main([str(made.folder), "--law", "cubic", "--json"]) == cli.DONE
    constancy = json.loads(capsys.readouterr().out)["constancy"]
    assert constancy["p"] < 0.01
    assert constancy["slopes"][0]["lo"] < 0.3 < constancy["slopes"][0]["hi"]
    assert read_fits(made.fits).constancy is not None
    assert fit.main([str(made.folder), "--law", "cubic"]) == cli.DONE
    assert "[[Constancy]] of r_a over 2 cells" in capsys.readouterr().out
