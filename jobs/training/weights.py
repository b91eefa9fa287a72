"""The weights of a run as numpy arrays under the names of `Transformer`: initial ones, or those of its checkpoint."""

import numpy as np
import torch

from jobs.training import checkpoint
from jobs.training.network.transformer import Transformer
from planners.records.errors import UsageError
from planners.spec import RunSpec
from planners.study import Study

Weights = dict[str, np.ndarray]
"""Weights by name, float32; biases of routers are among them."""


def initial_weights(spec: RunSpec) -> Weights:
    """Return the weights from which a run starts. Raises UsageError for a run that starts from another one's."""
    if spec.training.init_from:
        raise UsageError(
            f"run {spec.run_id} starts from the weights of run {spec.training.init_from}; export the checkpoint of that"
            " run instead"
        )
    model = Transformer(spec.shape, spec.router)
    model.initialise(spec.training.seed)
    return _arrays(model.state_dict())


def trained_weights(study: Study, spec: RunSpec) -> Weights:
    """Return the final weights of a trained run. Raises UsageError where its checkpoint is missing or unfinished."""
    state = checkpoint.load_newest(study.run_folder(spec.run_id) / "checkpoint", spec.run_id)
    if state is None:
        raise UsageError(f"run {spec.run_id} has no checkpoint; train it first, or give --init for its initial weights")
    if not state["is_final"]:
        done = f"step {state['step']} of {spec.training.steps}"
        raise UsageError(f"run {spec.run_id} has stopped at {done}; train it to its end before it is exported")
    return _arrays(state["model"])


def _arrays(state: dict[str, torch.Tensor]) -> Weights:
    return {name: value.detach().float().numpy() for name, value in state.items()}
