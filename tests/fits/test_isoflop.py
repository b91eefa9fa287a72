"""Approach 2 against a known law: the best size of each budget, its exponents, edges and off-centre grids."""

import json
from pathlib import Path

import numpy as np
import pytest

from fits import fit_study, from_records
from fits.isoflop import Isoflop
from scaling import cli

A, B, E, ALPHA, BETA = 482.0, 2085.0, 1.82, 0.348, 0.366
BUDGETS = (1e18, 3e18, 1e19, 1e20)


def best_size(C: float) -> float:
    """Return N of lowest loss at C = 6 N D, in closed form (arXiv 2203.15556, equation 4)."""
    return (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA)) * (C / 6) ** (BETA / (ALPHA + BETA))


def ladder(sd: float = 0.0, shift: float = 0.0, with_D: bool = True) -> list[dict[str, float]]:
    random = np.random.default_rng(4)
    rows = []
    for C in BUDGETS:
        for N in best_size(C) * np.exp(shift + np.linspace(-0.9, 0.9, 7)):
            D = C / 6 / N
            loss = E + A / N**ALPHA + B / D**BETA + random.normal(0, sd)
            rows.append({"N": N, "C": C, "loss": loss} | ({"D": D} if with_D else {}))
    return rows


def analysed(rows: list[dict[str, float]], **options: int) -> Isoflop:
    found = fit_study(from_records(rows), of="N", **options).isoflop
    assert found is not None
    return found


def test_the_sizes_and_exponents_of_a_known_law_come_back() -> None:
    found = analysed(ladder(sd=0.002), bootstrap=100)
    assert [each.C for each in found.budgets] == pytest.approx(BUDGETS)
    for each in found.budgets:
        assert pytest.approx(best_size(each.C), rel=0.06) == each.N
        assert each.lo is None or each.hi is None or each.lo <= best_size(each.C) <= each.hi
        assert pytest.approx(each.C / 6 / (each.N or 0)) == each.D
    parabolas, law = found.exponents
    for one in (parabolas, law):
        assert pytest.approx(1) == one.N + one.D
        assert one.N_ends is not None
        assert one.N_ends[0] <= BETA / (ALPHA + BETA) <= one.N_ends[1]
    assert (found.factor or 0) * 1e19**parabolas.N == pytest.approx(best_size(1e19), rel=0.05)


def test_approach_3_is_exact_without_noise_and_D_follows_from_C() -> None:
    found = analysed(ladder(with_D=False), bootstrap=0)
    assert pytest.approx(BETA / (ALPHA + BETA), abs=1e-6) == found.exponents[1].N
    assert found.exponents[1].N_ends is None
    assert "D was computed as C / (6 N)" in found.notes[0]


@pytest.mark.parametrize(("shift", "side"), [(1.3, "low"), (-1.3, "high")])
def test_a_budget_whose_minimum_is_at_an_end_is_named_and_not_used(shift: float, side: str) -> None:
    rows = ladder(sd=0.002)
    moved = [row for row in ladder(sd=0.002, shift=shift) if row["C"] == BUDGETS[-1]]
    found = analysed([row for row in rows if row["C"] < BUDGETS[-1]] + moved, bootstrap=0)
    assert (found.budgets[-1].N, found.budgets[-1].edge) == (None, side)
    assert any(f"1e20 ({side} end)" in note for note in found.notes)
    assert pytest.approx(BETA / (ALPHA + BETA), abs=0.05) == found.exponents[0].N


def test_an_off_centre_grid_is_named() -> None:
    found = analysed(ladder(shift=0.55), bootstrap=0)
    assert all(each.off_centre is not None and each.off_centre < -0.5 for each in found.budgets)
    assert any("a parabola is biased there" in note for note in found.notes)


def test_the_command_asks_for_N_C_and_loss_and_prints_both_approaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"N": "parameters", "C": "compute_budget", "loss": "final_loss"}
    rows = [{names[ours]: value for ours, value in row.items()} for row in ladder(sd=0.002, with_D=False)]
    path = tmp_path / "isoflops.json"
    path.write_text(json.dumps(rows))
    asked = ["fit", "--runs", str(path), "--over", "N", "--bootstrap", "0"]
    assert cli.main(asked) == cli.USAGE
    line = capsys.readouterr().err.split("--columns ")[1].strip().strip("'")
    assert cli.main([*asked, "--columns", line]) == cli.DONE
    text = capsys.readouterr().out
    assert text.startswith("The best model size grows as C^0.5")
    assert "[[IsoFLOP]]" in text
    assert "approach 2, parabolas: N_opt grows as C^0.5" in text
    assert "approach 3, law of N and D: N_opt grows as C^0.5" in text
    assert cli.main([*asked, "--columns", line, "--json"]) == cli.DONE
    assert len(json.loads(capsys.readouterr().out)["isoflop"]["budgets"]) == len(BUDGETS)
