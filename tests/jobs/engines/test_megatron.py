"""Exported runs on Megatron-core: parameters, logits, gradients with balance, and steps of AdamW by hand."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_arms import ARMS, T, arrays, gradient_arrays, holds, load_exact, model_of, need, relative, spec_of, windows

from jobs.engines import megatron
from jobs.engines.engine import EngineRun
from jobs.training.optimizer import adamw
from planners import RunSpec

pytestmark = pytest.mark.soak
need("megatron")


@pytest.fixture(scope="module", autouse=True)
def _one_process_on_the_cpu() -> Iterator[None]:
    """Start the process group of one process, and let Megatron take the CPU for its device."""
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel.random import initialize_rng_tracker
    from megatron.core.transformer.moe import moe_utils, router

    patch = pytest.MonkeyPatch()
    patch.setattr(torch.cuda, "current_device", lambda: "cpu")
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29533"}.items():
        patch.setitem(os.environ, name, value)
    for module in (router, moe_utils):
        if not hasattr(module, "te_general_gemm"):  # undefined without Transformer Engine
            patch.setattr(module, "te_general_gemm", None, raising=False)
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    parallel_state.initialize_model_parallel()
    initialize_rng_tracker(inference_rng_tracker=True)
    yield
    parallel_state.destroy_model_parallel()
    torch.distributed.destroy_process_group()
    patch.undo()


def settings(spec: RunSpec) -> dict[str, Any]:
    """Return the exported flags by their names, with numbers as numbers."""
    run = EngineRun(spec=spec)
    flags = (*megatron.shape_flags(run), *megatron.expert_flags(run), *megatron.training_flags(run))
    return {name: value for name, value in flags if value is not None and value is not False}


def built(spec: RunSpec) -> Any:
    """Return a GPTModel with the exported flags, as Megatron's own arguments name the fields of its configuration."""
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec
    from megatron.core.transformer.transformer_config import TransformerConfig

    flags = settings(spec)
    fields = {name.replace("-", "_"): value for name, value in flags.items()}
    renames = {"num_experts": "num_moe_experts", "norm_epsilon": "layernorm_epsilon"}
    known = set(TransformerConfig.__dataclass_fields__)
    config = {name: value for old, value in fields.items() if (name := renames.get(old, old)) in known}
    if "moe_layer_freq" in config:
        config["moe_layer_freq"] = [int(one) for one in config["moe_layer_freq"].strip("[]").split(",")]
    config |= {
        "gated_linear_unit": flags["swiglu"], "activation_func": F.silu, 
        "add_bias_linear": not flags["disable-bias-linear"],
        "init_method_std": float(config["init_method_std"]), "use_cpu_initialization": True,
        "bias_dropout_fusion": False, "masked_softmax_fusion": False, "moe_grouped_gemm": False,
        "moe_token_dispatcher_type": "allgather",
    }  # fmt: skip
    made = TransformerConfig(**config)
    return GPTModel(
        made, get_gpt_decoder_block_spec(made, use_transformer_engine=False), vocab_size=flags["vocab-size"],
        max_sequence_length=flags["seq-length"], position_embedding_type=flags["position-embedding-type"],
        rotary_base=flags["rotary-base"],
        share_embeddings_and_output_weights="untie-embeddings-and-output-weights" not in flags,
    )  # fmt: skip


def forward(model: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Return its logits; positions and the causal mask are what its data loader makes."""
    positions = torch.arange(T).expand_as(inputs)
    mask = torch.ones(1, 1, T, T, dtype=torch.bool).triu(1)
    logits: torch.Tensor = model(inputs, positions, mask)
    return logits


@pytest.mark.parametrize("name", ARMS)
def test_parameters_logits_and_gradients(name: str) -> None:
    shape, router = ARMS[name]
    if router.bias_rate:  # its balance loss counts the choices that the scores alone would make
        router = replace(router, balance=0.0)
    spec, ours = spec_of(shape, router), model_of(shape, router)
    theirs = built(spec)
    assert sum(weight.numel() for weight in theirs.parameters()) == shape.total
    load_exact(theirs, megatron.weights(spec, arrays(ours)))
    theirs.train()
    batch = windows()
    inputs, targets = batch[:, :-1], batch[:, 1:]
    logits, routings = ours(inputs)
    found = forward(theirs, inputs)
    holds("megatron", "logits, float32, our weights", relative(found, logits))
    ce = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    (ce + sum(router.balance * routing.balance for routing in routings)).backward()
    F.cross_entropy(found.flatten(0, 1), targets.flatten()).backward()  # adds the balance loss to the router's gradient
    wanted, named = megatron.weights(spec, gradient_arrays(ours)), dict(theirs.named_parameters())
    worst = max(relative(named[part].grad, torch.from_numpy(np.array(wanted[part]))) for part in wanted)
    holds("megatron", "gradients with the balance loss", worst)


@pytest.mark.parametrize("name", ["dense", "top-4, shared expert"])
def test_steps_by_hand(name: str) -> None:
    """Three AdamW steps with decay on matrices only: the cross entropies agree."""
    shape, router = ARMS[name]
    spec, ours = spec_of(shape, router), model_of(shape, router)
    theirs, training = built(spec), spec.training
    load_exact(theirs, megatron.weights(spec, arrays(ours)))
    parts = {decayed: [w for w in theirs.parameters() if (w.dim() > 1) == decayed] for decayed in (True, False)}
    assert len(parts[False]) == 7
    groups = [{"params": parts[one], "weight_decay": one * training.weight_decay} for one in parts]
    steps = (adamw(ours, spec), torch.optim.AdamW(groups, lr=training.lr, betas=tuple(training.betas)))  # type: ignore
    batch, entropies = windows(), []
    for _ in range(3):
        for net, step in zip((ours, theirs), steps, strict=True):
            step.zero_grad()
            output, routings = ours(batch[:, :-1]) if net is ours else (forward(theirs, batch[:, :-1]), ())
            ce = F.cross_entropy(output.flatten(0, 1), batch[:, 1:].flatten())
            (ce + sum(router.balance * routing.balance for routing in routings)).backward()
            step.step()
            entropies.append(float(ce))
    apart = [abs(mine - other) for mine, other in zip(entropies[::2], entropies[1::2], strict=True)]
    holds("megatron", "optimizer step", max(apart))


def test_gates_that_it_renormalises_are_refused() -> None:
    """A sigmoid with K > 1 whose gates are not renormalised has other logits there."""
    shape, router = ARMS["sigmoid"]
    spec, ours = spec_of(shape, replace(router, renormalise=False)), model_of(shape, replace(router, renormalise=False))
    assert any(limit.applies(spec) for limit in megatron.ENGINE.limits)
    theirs = built(spec)
    load_exact(theirs, megatron.weights(spec, arrays(ours)))
    inputs = windows()[:, :-1]
    assert relative(forward(theirs, inputs), ours(inputs)[0]) > 0.1


def test_balance_with_a_router_bias_is_another_one() -> None:
    """Its balance loss counts the choices that the scores alone would make, ours those that were made."""
    shape, router = ARMS["sigmoid"]
    apart = []
    for settings_of in (router, replace(router, bias_rate=0.0)):
        spec, ours = spec_of(shape, settings_of), model_of(shape, settings_of)
        theirs = built(spec)
        load_exact(theirs, megatron.weights(spec, arrays(ours)))
        inputs = windows()[:, :-1]
        logits, routings = ours(inputs)
        (logits.sum() * 0 + sum(router.balance * routing.balance for routing in routings)).backward()
        (forward(theirs.train(), inputs).sum() * 0).backward()
        wanted, found = ours.layers[1].ffn.router.weight.grad, theirs.decoder.layers[1].mlp.router.weight.grad
        assert wanted is not None
        apart.append(relative(found, wanted))
    assert apart[0] > 1e-3
    holds("megatron", "balance", apart[1])
