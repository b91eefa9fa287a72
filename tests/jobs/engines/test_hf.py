"""Runs exported to transformers: parameters, logits, the exact Trainer, tokenizer and files."""

import json
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from engine_arms import arrays, model_of, relative, spec_of
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from jobs.corpora import describe
from jobs.engines import ENGINES, hf
from jobs.engines.engine import EngineRun, script
from jobs.engines.export import export_runs
from jobs.engines.parity import bound
from jobs.engines.safetensors_file import write_safetensors
from jobs.engines.tokenizer import byte_tokenizer
from jobs.training.network.transformer import Transformer
from jobs.training.schedule import learning_rate
from planners import Question, Router, RunSpec, Shape, UsageError, from_hf, make_plan, preset

T = 32
DENSE = Shape(d_model=32, n_layers=3, n_dense_layers=3, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=48, vocab_size=61)
MOE = replace(DENSE, n_dense_layers=1, n_experts=6, top_k=2, d_expert=16, d_shared=32)
LEARNED = {"norm": "layernorm", "positions": "learned", "max_positions": 40, "ffn": "gelu", "attention_bias": "all",
           "ffn_bias": True, "tied_embeddings": True}  # fmt: skip
EXACT: dict[str, tuple[Shape, Router, str]] = {
    "dense": (DENSE, Router(), "llama"),
    "dense, tied and biased": (
        replace(DENSE, tied_embeddings=True, attention_bias="all", ffn_bias=True), Router(), "llama",
    ),
    "dense, heads normalised": (replace(DENSE, qk_norm="head"), Router(), "qwen3"),
    "learned positions": (replace(DENSE, n_kv_heads=4, **LEARNED), Router(), "gpt2"),
    "dense, biased queries": (replace(DENSE, attention_bias="qkv"), Router(), "qwen2"),
    "default": (MOE, Router(), "qwen2_moe"),
    "default, renormalised": (MOE, Router(renormalise=True), "qwen2_moe"),
    "interleaved": (replace(MOE, moe_every=2), Router(), "qwen2_moe"),
    "no shared expert": (replace(MOE, d_shared=0), Router(), "qwen2_moe"),
    "gated shared expert": (replace(MOE, shared_gate=True), Router(), "qwen2_moe"),
    "experts everywhere": (replace(MOE, d_shared=0, n_dense_layers=0), Router(renormalise=True), "mixtral"),
    "heads normalised": (replace(MOE, d_shared=0, qk_norm="head"), Router(), "qwen3_moe"),
    "all heads normalised": (replace(MOE, d_shared=0, qk_norm="full", n_dense_layers=0), Router(), "olmoe"),
    "sigmoid": (MOE, Router(score="sigmoid", renormalise=True, bias_rate=1e-3), "glm4_moe"),
    "sigmoid, heads normalised": (replace(MOE, d_shared=0, qk_norm="head"), Router(score="sigmoid"), "glm4_moe"),
}  # fmt: skip
"""Shape and router that a family has exactly."""


def loaded(spec: RunSpec, model: Transformer, folder: Path) -> Any:
    """Return the model that transformers loads from the exported folder; nothing may be missing."""
    (folder / "config.json").write_text(json.dumps(hf.config(spec)))
    write_safetensors(folder / "model.safetensors", hf.weights(spec, arrays(model)))
    theirs, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values())
    return theirs


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("name", EXACT)
def test_round_trip_and_logits(name: str, tmp_path: Path) -> None:
    """Our spec, their config, their count, our shape; and with our weights their logits are ours."""
    shape, router, family = EXACT[name]
    spec, model = spec_of(shape, router), model_of(shape, router)
    config = hf.config(spec)
    assert config["model_type"] == family
    assert "differs" not in config
    theirs = loaded(spec, model, tmp_path)
    assert sum(weight.numel() for weight in theirs.parameters()) == from_hf(config).total
    again = from_hf(config)
    added = family == "qwen2_moe" and not shape.shared_gate
    gates = (1 + (0 if shape.d_shared else 3)) * shape.d_model * shape.n_moe_layers if added else 0
    assert again.total == shape.total + gates
    kept = {"shared_gate": False, "d_shared": shape.d_shared} if added else {}
    plain = Shape(**{field: getattr(again, field) for field in Shape.__dataclass_fields__})
    same = {"max_positions": 0, "positions": "none", "d_ff": 1, "n_dense_layers": shape.n_dense_layers, "moe_every": 1}
    assert replace(plain, **kept, **same) == replace(shape, **same)
    indices = range(shape.n_layers)
    assert [plain.is_moe_layer(index) for index in indices] == [shape.is_moe_layer(index) for index in indices]
    assert plain.parts["dense_ffn"] == shape.parts["dense_ffn"]
    tokens = torch.randint(0, 61, (64, T))
    model.eval()
    with torch.no_grad():
        ours, found = model(tokens)[0], theirs.eval()(tokens).logits
    apart = (found - ours).abs().amax(-1) / ours.abs().max()
    ties = int((apart > bound("hf", "logits, float32, our weights")).sum())
    assert ties <= 2  # of 1024 positions: where the K-th and the next expert are equal up to rounding
    assert relative(found[apart <= 2e-6], ours[apart <= 2e-6]) < 2e-6


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Any]:
    """Return a function that imports an exported train.py, as the user runs it."""

    def imported(spec: RunSpec) -> types.ModuleType:
        run = EngineRun(spec=spec)
        (tmp_path / "recipe.json").write_text(json.dumps(run.recipe(hf.ENGINE)))
        (tmp_path / "config.json").write_text(json.dumps(hf.config(spec)))
        module = types.ModuleType("train")
        module.__file__ = str(tmp_path / "train.py")
        exec(compile(script("hf_train.py"), "train.py", "exec"), module.__dict__)
        return module

    return imported


def router_gradients(model: Any) -> list[Tensor]:
    named = [(n, w) for n, w in model.named_parameters() if n.endswith(("router.weight", "mlp.gate.weight"))]
    return [weight.grad.clone() for _, weight in named]


def balanced(module: types.ModuleType, model: Any, tokens: Tensor) -> Tensor:
    """Return the loss that the exported Trainer adds for one forward pass."""
    routed: list[Any] = []
    for gate in module.routers(model):
        gate.register_forward_hook(lambda gate, _, out: routed.append((gate, out)))
    model(tokens)
    return sum(module.router_loss(gate, out) for gate, out in routed)


@pytest.mark.parametrize("layers", [1, 4, 8])
@pytest.mark.parametrize("top_k", [1, 4, 16])
def test_the_exported_trainer_balances_each_layer_as_ours(
    top_k: int, layers: int, trainer: Any, tmp_path: Path
) -> None:
    shape = replace(MOE, n_layers=layers + 1, n_experts=32, top_k=top_k, d_expert=8)
    assert gradients_apart(spec_of(shape, Router()), trainer, tmp_path) < bound("hf", "balance, train.py")


def test_the_exported_trainer_also_balances_sigmoid_routers_and_has_a_z_loss(trainer: Any, tmp_path: Path) -> None:
    router = Router(score="sigmoid", renormalise=True, z_loss=1e-3, bias_rate=1e-3)
    assert gradients_apart(spec_of(MOE, router), trainer, tmp_path) < bound("hf", "balance, train.py")


def gradients_apart(spec: RunSpec, trainer: Any, folder: Path) -> float:
    """Return the largest relative difference between router gradients of the auxiliary losses, theirs and ours."""
    model, tokens = model_of(spec.shape, spec.router), torch.randint(0, 61, (8, T))
    theirs = loaded(spec, model, folder)
    balanced(trainer(spec), theirs, tokens).backward()
    settings = spec.router
    sum(settings.balance * r.balance + settings.z_loss * r.z_loss for r in model(tokens)[1]).backward()
    pairs = zip(router_gradients(theirs), router_gradients(model), strict=True)
    return max(relative(their, our) for their, our in pairs)


def test_the_pooled_loss_of_the_library_is_another_one(trainer: Any, tmp_path: Path) -> None:
    """With one MoE layer b L^2 / K is exact; with eight the gradient has another direction."""
    for layers, least, most in ((1, 0.999, 1.001), (8, 0.0, 0.9)):
        shape = replace(MOE, n_layers=layers + 1, n_experts=32, top_k=4, d_expert=8)
        spec = spec_of(shape, Router())
        model, tokens = model_of(shape, Router()), torch.randint(0, 61, (8, T))
        theirs = loaded(spec, model, tmp_path)
        (theirs.router_aux_loss_coef * theirs(tokens, output_router_logits=True).aux_loss).backward()
        sum(0.01 * r.balance for r in model(tokens)[1]).backward()
        pairs = list(zip(router_gradients(theirs), router_gradients(model), strict=True))
        cosines = [float(torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in pairs]
        assert least < sum(cosines) / layers < most


def test_the_exported_schedule_is_ours(trainer: Any) -> None:
    for schedule in ("cosine", "wsd"):
        spec = spec_of(DENSE, Router(), schedule=schedule, D=400 * T)
        height = trainer(spec).height
        ours = [learning_rate(step, spec.training) / spec.training.lr for step in range(spec.training.steps)]
        assert [height(step) for step in range(spec.training.steps)] == pytest.approx(ours, rel=1e-12)


def test_a_step_of_the_exported_optimizer_is_ours(trainer: Any, tmp_path: Path) -> None:
    """Also where the down projection of the shared expert is doubled, and its gate is constant."""
    from jobs.training.optimizer import adamw

    spec = spec_of(MOE, Router())
    model = model_of(MOE, Router())
    loaded(spec, model, tmp_path)
    module = trainer(spec)
    theirs = module.model()
    made = object.__new__(module.BalancedTrainer)
    made.model = theirs
    optimizers = (adamw(model, spec), made.create_optimizer())
    for _ in range(3):
        tokens = torch.randint(0, 61, (8, T))
        for net, optimizer in zip((model, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            logits = net(tokens)[0] if net is model else net(tokens).logits
            torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
            optimizer.step()
    wanted, found = hf.weights(spec, arrays(model)), theirs.state_dict()
    for name in ("model.embed_tokens.weight", "model.layers.1.mlp.shared_expert.down_proj.weight", "lm_head.weight"):
        np.testing.assert_allclose(found[name].numpy(), wanted[name], rtol=1e-3, atol=2e-4)
    assert not found["model.layers.1.mlp.shared_expert_gate.weight"].any()


def test_data_evaluation_and_files_of_a_planned_run(tiny_question: Question, tmp_path: Path) -> None:
    """The exported datasets are the windows of the run; files are whole, and a second export changes none."""
    plan = make_plan(tiny_question, describe(str(tiny_question.data)))
    export = export_runs(plan.runs, "hf", devices=2)
    folders = export.write(tmp_path / "hf", weights=True)
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    assert export_runs(plan.runs, "hf", devices=2).write(tmp_path / "hf", weights=True) == folders
    assert {path: path.read_bytes() for folder in folders for path in folder.iterdir()} == before
    with pytest.raises(UsageError, match="exists with other content"):
        export_runs(plan.runs, "hf").write(tmp_path / "hf")
    folder, spec = folders[-1], plan.runs[-1]
    config, recipe = (json.loads((folder / name).read_text()) for name in ("config.json", "recipe.json"))
    passes = recipe["accumulation"] * recipe["devices"]
    L, K = spec.shape.n_moe_layers, spec.shape.top_k
    assert config["router_aux_loss_coef"] == pytest.approx(0.01 * L**2 / K / passes)
    assert config["output_router_logits"] is True
    assert "approximate" in config
    factory = yaml.safe_load((folder / "llamafactory.yaml").read_text())
    assert factory["moe_aux_loss_coef"] == config["router_aux_loss_coef"]
    assert factory["cutoff_len"] == spec.training.seq_len + 1
    module = types.ModuleType("train")
    module.__file__ = str(folder / "train.py")
    exec((folder / "train.py").read_text(), module.__dict__)
    train, validation = module.datasets()
    from jobs.corpora import open_store

    assert spec.data is not None
    stream = open_store(spec.data).stream(spec.training.seq_len, spec.training.U, spec.training.seed)
    assert (np.stack([train[i]["input_ids"].numpy() for i in range(8)]) == stream(0, 8)).all()
    assert len(train) * spec.training.seq_len == spec.training.D
    assert len(validation) == spec.training.eval_windows
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    assert tokenizer("né€", add_special_tokens=False)["input_ids"] == list("né€".encode())


def test_the_byte_tokenizer_is_the_bytes_of_utf8() -> None:
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(json.dumps(byte_tokenizer()))
    for text in ("plain", "né€ 漢\n\t\x01", "  two  spaces ", "".join(map(chr, range(1, 128)))):
        ids = made.encode(text, add_special_tokens=False).ids
        assert ids == list(text.encode())
        assert made.decode(ids) == text


def test_what_transformers_lacks_is_refused_with_the_reason_or_changed() -> None:
    run = make_plan(replace(preset("smoke"), data=None)).runs[-1]
    jittered = spec_of(run.shape, replace(run.router, jitter=0.1, capacity_factor=1.5))
    with pytest.raises(UsageError, match=r"drops no tokens.*--changed exports it with no capacity factor") as caught:
        export_runs([jittered], "hf")
    assert "\n" not in str(caught.value)
    export = export_runs([jittered], "hf", changed=True)
    assert export.runs[0].spec.router == Router()
    assert [one.partition("changed: ")[2].partition(",")[0] for one in export.changed] == [
        "no capacity factor", "no jitter"
    ]  # fmt: skip
    with pytest.raises(UsageError, match="engine 'nemo' is not one of"):
        export_runs([run], "nemo")
    assert set(ENGINES) >= {"hf"}
