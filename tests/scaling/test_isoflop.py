"""`scaling.fit --over N`: one parabola per budget; and the allocation law, which needs no loss."""

import json
import math

import pytest

from scaling import cli

A, B, E, ALPHA, BETA = 406.4, 410.7, 1.69, 0.34, 0.28


def best(C: float) -> float:
    """Return the compute-optimal N of the law, with C = 6 N D."""
    G = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
    return G * (C / 6) ** (BETA / (ALPHA + BETA))


@pytest.mark.parametrize("column", ["C", "D"])
def test_each_budget_has_its_optimal_size(tmp_path, capsys, column):
    lines = [f"size,{column},loss"]
    for C in (1e18, 1e19, 1e20):
        for step in (-1.2, -0.8, -0.4, 0, 0.4, 0.8, 1.2):
            N = best(C) * math.exp(step)
            D = C / (6 * N)
            loss = E + A / N**ALPHA + B / D**BETA
            lines.append(f"{N},{C if column == 'C' else D},{loss + 1e-4 * math.sin(9 * step)}")
    path = tmp_path / "isoflop.csv"
    path.write_text("\n".join(lines))
    arguments = ["fit", "--runs", str(path), "--columns", "N=size", "--law", "quadratic", "--over", "N", "--json"]
    assert cli.main(arguments) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert [fit["series"]["C"] for fit in found["fits"]] == [1e18, 1e19, 1e20]
    for fit in found["fits"]:
        [row] = [row for row in fit["sensitivity"] if row["law"] == "quadratic"]
        assert row["value"] == pytest.approx(best(fit["series"]["C"]), rel=0.1)
    cli.main([*arguments[:-2], "N", "--law", "quadratic,cubic"])
    assert "ln N" in capsys.readouterr().out


def test_an_allocation_asks_for_no_loss_and_fits_sizes_by_least_squares(tmp_path, capsys):
    pairs = [(1e18, 1.1e8), (2e18, 1.7e8), (5e18, 2.5e8), (1e19, 3.8e8)]
    path = tmp_path / "optima.csv"
    path.write_text("FLOPs,Eff Params\n" + "".join(f'{C},"{N:,.0f}"\n' for C, N in pairs))
    arguments = ["fit", "--runs", str(path), "--law", "allocation", "--bootstrap", "0", "--json"]
    assert cli.main(arguments) == cli.USAGE
    assert "--columns 'N_opt=Eff Params,C=FLOPs'" in capsys.readouterr().err
    assert cli.main([*arguments, "--columns", "N_opt=Eff Params,C=FLOPs"]) == cli.DONE
    [fit] = json.loads(capsys.readouterr().out)["fits"]
    x, y = [math.log(C) for C, _ in pairs], [math.log(N) for _, N in pairs]
    mx, my = sum(x) / 4, sum(y) / 4
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)
    assert fit["params"]["a"]["value"] == pytest.approx(slope, abs=1e-6)
