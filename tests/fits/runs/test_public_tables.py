"""Tables as nine public sources wrote them: the first command reads them, or the line that it offers."""

import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from fits import read_table
from scaling import cli

HERE = Path(__file__).parent / "public_tables"
LADDER = ("--law", "chinchilla")
TABLES = {
    "epoch_svg_extracted_data.csv": (LADDER, 24, {"N": "Model Size", "C": "Training FLOP", "loss": "loss"}),
    "misfitting_scaling_results.csv": (LADDER, 24, {"N": "N", "D": "D", "loss": "loss"}),
    "cs336_isoflops_curves.json": (("--over", "N"), 72, {"N": "parameters", "C": "compute_budget"}),
    "marinfold_31.csv": (("--over", "N"), 4, {"N": "parameter_count", "D": "total_tokens", "loss": "cd_val_loss"}),
    "deepmind_curves.csv.gz": (("--law", "clark"), 26, {"N_a": "dense_parameter_count", "loss": "loss_validation"}),
}
"""File -> arguments, number of runs, our column -> theirs as pandas reads it."""
OTHERS = {
    "marin_6044.md": (LADDER, {"N": [6.1e8, 1.84e9, 4.5e9, 6.64e10], "D": [7.53e10, 2.203e11, 5.424e11, 8.02e12],
                               "loss": [3.2373, 2.9538, 2.7515, 2.256]}),
    "nanochat_log.txt": (("--law", "allocation"), {"C": [1e18, 2e18, 5e18, 1e19], "N_opt": [110678115, 167797457,
                                                                                           250650865, 381758347]}),
    "chinchilla_table_3.csv": (("--law", "allocation"), {
        "N_opt": [4e8, 1e9, 1e10, 6.7e10, 1.75e11, 2.8e11, 5.2e11, 1e12, 1e13],
        "C": [1.92e19, 1.21e20, 1.23e22, 5.76e23, 3.85e24, 9.9e24, 3.43e25, 1.27e26, 1.3e28]}),
    "li2025_tables_10_12.csv": ((), {"r_a": [0.0874, 0.1082], "loss": [0.5048, 0.4967], "C": [9.18e20, 9.19e20]}),
}  # fmt: skip
"""File -> arguments, the first values that the reader must find."""


def read(file: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[dict, dict[str, str], int]:
    """Return the printed JSON, the columns that were offered, and how many commands it took."""
    asked = ["fit", "--runs", str(HERE / file), "--bootstrap", "0", "--json", *words]
    code, tries = cli.main(asked), 1
    shown = capsys.readouterr()
    columns: dict[str, str] = {}
    if code == cli.USAGE:
        [_, line] = shlex.split(re.search(r"--columns ('[^']*'|\S+)", shown.err)[0].rstrip(";"))  # type: ignore[index]
        columns = dict(pair.split("=", 1) for pair in re.split(r",(?=\w+=)", line))
        code, tries = cli.main([*asked, "--columns", line]), 2
        shown = capsys.readouterr()
    assert code in (cli.DONE, cli.GAPS), shown.err
    return json.loads(shown.out), columns, tries


@pytest.mark.parametrize("file", [*TABLES, *OTHERS])
def test_the_first_command_or_the_line_that_it_offers_reads_a_public_table(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words, *_ = (TABLES | OTHERS)[file]
    found, columns, tries = read(file, words, capsys)
    assert tries <= 2
    table = read_table(HERE / file, columns, needs=())
    if file in OTHERS:
        for ours, values in OTHERS[file][1].items():
            assert table.numbers(ours)[: len(values)] == pytest.approx(values)
        return
    _, n, names = TABLES[file]
    assert sum(fit["n"] for fit in found["fits"]) == n
    by_pandas = (pd.read_json if file.endswith("json") else pd.read_csv)(HERE / file)
    for ours, theirs in names.items():
        assert table.numbers(ours).tolist() == by_pandas[theirs].astype(float).tolist()


def test_the_law_of_a_noiseless_table_comes_back_to_the_digit(capsys: pytest.CaptureFixture[str]) -> None:
    columns = "N=parameters,C=compute_budget,loss=final_loss,D=C/(6*N)"
    words = ["fit", "--runs", str(HERE / "cs336_isoflops_curves.json"), "--columns", columns, "--bootstrap", "0"]
    assert cli.main([*words, "--law", "chinchilla", "--json"]) == cli.DONE
    params = json.loads(capsys.readouterr().out)["fits"][0]["params"]
    expected = {"A": 1606.4, "B": 3210.7, "E": 2.69, "alpha": 0.34, "beta": 0.36}
    assert {name: params[name]["value"] for name in expected} == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize(("file", "exponent"), [("chinchilla_table_3.csv", 0.50), ("nanochat_log.txt", 0.524)])
def test_exponents_are_those_that_the_authors_print(
    file: str, exponent: float, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, _ = read(file, ("--law", "allocation"), capsys)
    assert found["fits"][0]["params"]["a"]["value"] == pytest.approx(exponent, abs=0.005)
