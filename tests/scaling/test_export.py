"""Trained runs as Hugging Face folders, and recipes, by the command."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from jobs.corpora import open_store
from jobs.record import read_record
from jobs.training import checkpoint
from jobs.training.network.transformer import Transformer
from planners import Study, UsageError
from scaling import cli


@pytest.fixture
def trained(tiny_study: Study) -> Study:
    """The tiny study, its last MoE arm trained."""
    spec = tiny_study.runs()[-1]
    assert cli.main(["train", str(tiny_study.folder), spec.run_id]) == cli.DONE
    return tiny_study


def test_a_trained_run_is_a_model_folder_with_its_loss(trained: Study, tmp_path: Path) -> None:
    """Logits by relative tolerance with ties of the K-th expert counted, and the loss of the record."""
    spec, folder = trained.runs()[-1], tmp_path / "model"
    for _ in range(2):  # the second export changes nothing
        assert cli.main(["export", str(trained.folder), spec.run_id, "-o", str(folder)]) == cli.DONE
    theirs, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values())
    state = checkpoint.load_newest(trained.run_folder(spec.run_id) / "checkpoint", spec.run_id)
    assert state is not None
    assert spec.data is not None
    ours = Transformer(spec.shape, spec.router)
    ours.load_state_dict(state["model"])
    [domain] = open_store(spec.data).domains
    T, windows = spec.training.seq_len, spec.training.eval_windows
    batch = torch.from_numpy(domain.store.read("validation", domain.store.validation_windows(T, windows), T))
    with torch.no_grad():
        found, wanted = theirs.eval()(batch[:, :-1]).logits, ours.eval()(batch[:, :-1])[0]
    apart = (found - wanted).abs().amax(-1) / wanted.abs().max()
    assert int((apart > 2e-6).sum()) <= 2
    record = read_record(trained, spec)
    assert record is not None
    loss = float(F.cross_entropy(found.flatten(0, 1), batch[:, 1:].flatten()))
    assert loss == pytest.approx(record.loss, abs=2e-6)
    assert json.loads((folder / "run.json").read_text())["loss"] == record.loss
    tokenizer = AutoTokenizer.from_pretrained(folder)
    documents = [json.loads(line)["text"] for line in (folder / "tasks" / "validation.jsonl").read_text().splitlines()]
    split = domain.store.tokens("validation").tobytes()
    assert bytes(tokenizer(documents[0])["input_ids"]) in split
    task = yaml.safe_load((folder / "tasks" / "validation.yaml").read_text())
    assert task["output_type"] == "loglikelihood_rolling"
    assert task["doc_to_target"] == "{{text}}"


def test_initial_weights_are_exported_without_training(tiny_study: Study, tmp_path: Path) -> None:
    spec = tiny_study.runs()[0]
    assert cli.main(["export", str(tiny_study.folder), spec.run_id, "--init", "-o", str(tmp_path / "m")]) == cli.DONE
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype=torch.float32)
    ours = Transformer(spec.shape, spec.router)
    ours.initialise(spec.training.seed)
    np.testing.assert_array_equal(theirs.lm_head.weight.detach(), ours.head.weight.detach())


WRONG = {
    "no checkpoint": (["{run}", "-o", "{out}"], "has no checkpoint; train it first"),
    "no folder": (["{run}"], "give the run and the folder"),
    "unknown run": (["ffffffffffff", "-o", "{out}"], "0 run ids"),
    "flag of recipes": (["{run}", "-o", "{out}", "--weights"], "belong to --engine"),
    "unknown engine": (["--engine", "nemo"], "engine 'nemo' is not one of hf, megatron, torchtitan, olmo-core"),
    "uneven devices": (["--engine", "hf", "--devices", "7"], "cannot be shared by 7 devices"),
    "other content": (["{run}", "--init", "-o", "{full}"], "exists with other content"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_sentence(name: str, tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    words, says = WRONG[name]
    places = {"run": tiny_study.runs()[0].run_id, "out": tmp_path / "out", "full": tmp_path / "full"}
    assert cli.main(["export", str(tiny_study.folder), *(word.format(**places) for word in words)]) == cli.USAGE
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unfinished_checkpoint_is_refused(trained: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.training import weights

    spec, load = trained.runs()[-1], checkpoint.load_newest
    monkeypatch.setattr(checkpoint, "load_newest", lambda *given: {**(load(*given) or {}), "is_final": False})
    with pytest.raises(UsageError, match="train it to its end"):
        weights.trained_weights(trained, spec)
