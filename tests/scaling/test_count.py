"""The count command: one of our shapes, one of our runs, or a Hugging Face model; and every mistake one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from shapes import LI2025_2B

from planners import Study, flops_by_part, flops_per_token
from planners.records.json import to_json
from scaling import cli

MIXTRAL = {"model_type": "mixtral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
           "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
           "num_experts_per_tok": 2}  # fmt: skip


def written(folder: Path, content: Any, name: str = "config.json") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def counted(path: str, capsys: pytest.CaptureFixture, *flags: str) -> dict[str, Any]:
    assert cli.main(["count", path, "--json", *flags]) == cli.DONE
    return json.loads(capsys.readouterr().out)


def test_a_shape_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    found = counted(written(tmp_path, to_json(LI2025_2B)), capsys, "--seq-len", "1024")
    for name in ("N", "N_a", "N_vocab", "total", "active", "r_a", "parts", "active_parts", "mu", "zeta"):
        assert found[name] == getattr(LI2025_2B, name)
    assert found["N"] + found["N_vocab"] == found["total"] == sum(found["parts"].values())
    assert found["flops_per_token"] == {
        name: flops_per_token(LI2025_2B, 1024, name) for name in ("exact", "li2025", "6nd")
    }
    assert found["flops_by_part"]["exact"] == flops_by_part(LI2025_2B, 1024)


def test_a_model_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Mixtral: 46.7B parameters of which 12.9B are active, as its authors state (arXiv 2401.04088)."""
    found = counted(written(tmp_path, MIXTRAL), capsys)
    assert (found["total"], found["active"]) == (46_702_792_704, 12_879_925_248)
    assert found["seq_len"] == 2048
    assert found["flops_per_token"]["6nd"] == 6 * found["N_a"]


def test_a_run_is_counted_at_its_context_length(
    tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for run in tiny_study.runs():
        found = counted(written(tmp_path, run.to_line(), "spec.json"), capsys)
        assert {name: found[name] for name in ("N", "N_a", "r_a")} == {"N": run.N, "N_a": run.N_a, "r_a": run.r_a}
        assert found["flops_per_token"] == {name: run.flops_per_token[name] for name in found["flops_per_token"]}


def test_people_see_every_number(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["count", written(tmp_path, {**MIXTRAL, "sliding_window": 4096})]) == cli.DONE
    shown = capsys.readouterr().out
    for text in ("mixtral", "46,702,792,704", "12,879,925,248", "45,097,156,608", "0.2717", "top-2", "T = 2048",
                 "attention_scores", "training", "forward", "window of 4096"):  # fmt: skip
        assert text in shown
    assert "shared_expert" not in shown  # a part that the model does not have is not shown


def test_what_people_read_is_in_the_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    found = counted(written(tmp_path, {**MIXTRAL, "sliding_window": 4096}), capsys)
    assert found["model_type"] == "mixtral"
    assert any("window of 4096" in note for note in found["notes"])
    assert counted(written(tmp_path, SHAPE), capsys)["notes"] == []


def test_a_byte_order_mark_is_read(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert counted(written(tmp_path, "\ufeff" + json.dumps(MIXTRAL)), capsys)["total"] == 46_702_792_704


def test_learned_positions_bound_the_context(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = written(tmp_path, {"model_type": "gpt2"})
    assert counted(path, capsys)["seq_len"] == 1024
    assert cli.main(["count", path, "--seq-len", "1025"]) == cli.USAGE
    assert "1024 positions" in capsys.readouterr().err


SHAPE = to_json(LI2025_2B)
MISTAKES: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "cannot be read as JSON"),
    "no object": ([1], "no JSON object"),
    "no text": ("\udcff", "cannot be read as JSON"),
    "nested without end": ("[" * 100_000, "cannot be read as JSON"),
    "endless number": ('{"model_type": "gpt2", "n_embd": ' + "9" * 5000 + "}", "cannot be read as JSON"),
    "beyond all floats": ('{"model_type": "gpt2", "n_embd": 1e400}', "1e400 is not a finite number"),
    "neither": ({"width": 5}, "no model_type"),
    "another toolkit's": ({"d_model": 768, "n_layer": 24, "ssm_cfg": {}, "fused_add_norm": True}, "no model_type"),
    "another toolkit's shape": ({"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 8}, "keys are dim, n_layers"),
    "no family": ({"hidden_size": 64, "num_hidden_layers": 2}, "no model_type is in it; the known ones are bert"),
    "layers under another name": ({"model_type": "qwen3_moe", "num_layers": 94, "num_heads": 64}, "num_layers"),
    "unknown family": ({"model_type": "mamba2"}, "mamba2"),
    "nonsense in a family": ({**MIXTRAL, "hidden_size": -4096}, "hidden_size is -4096"),
    "top-k above n_experts": ({**MIXTRAL, "num_experts_per_tok": 9}, "top_k 9"),
    "field missing": ({name: value for name, value in SHAPE.items() if name != "n_heads"}, "n_heads"),
    "field unknown": ({**SHAPE, "n_experst": 4}, "n_experst"),
    "field of a wrong type": ({**SHAPE, "d_model": "1408"}, "d_model"),
    "size huge": ({**SHAPE, "d_model": 10**400}, "401 digits"),
    "size negative": ({**SHAPE, "d_ff": -(10**400)}, "402 digits"),
    "run without a shape": ({"shape": None}, "expected an object"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "names"), MISTAKES.values(), ids=MISTAKES)
def test_a_bad_file_is_one_sentence(content: Any, names: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "config.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert cli.main(["count", str(path)]) == cli.USAGE
    shown = capsys.readouterr()
    assert names in shown.err
    assert str(path) in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert len(shown.err) < 800
    assert shown.out == ""


def test_a_file_that_cannot_be_had_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    loop = tmp_path / "loop.json"
    os.symlink(loop, loop)
    for path in (tmp_path, tmp_path / "absent.json", loop):
        assert cli.main(["count", str(path)]) == cli.USAGE
        error = capsys.readouterr().err
        assert str(path) in error
        assert len(error.strip().splitlines()) == 1
    good = written(tmp_path, SHAPE)
    for length in ("0", "-1", "1.5", "2,3", "many"):
        assert cli.main(["count", good, f"--seq-len={length}"]) == cli.USAGE
        assert "--seq-len" in capsys.readouterr().err


def test_counting_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from scaling.cli import main
main(["count", {written(tmp_path, MIXTRAL)!r}, "--json"])
print([name for name in ("torch", "numpy", "pandas", "scipy", "transformers", "datasets") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
