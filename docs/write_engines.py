"""Write docs/engines.md, the way out and back with what is equal on each engine: python -m docs"""

from jobs.engines import ENGINES
from jobs.engines.parity import parity_table

INTRODUCTION = """# Other engines

Planned runs can be trained by another engine and come back by their `run_id`.

```bash
python -m scaling.plan --preset gpu-day --data none --export megatron --devices 8 -o studies/x   # recipes of all runs
python -m scaling.export studies/x --engine torchtitan --changed                                 # the same, of a study
python -m scaling.export studies/x 9493454f655c -o models/x                                      # a trained model
python -m scaling.parity studies/x --engine hf                                                   # two loss curves
python -m scaling.fit studies/x --runs elsewhere.csv --keep                                      # the way back
```

Each run gets a folder `STUDY/ENGINE/ARM-RUN_ID/`:

| file | what |
|---|---|
| `recipe.json` | the run in neutral words; the scripts read it |
| `run.sh`, `run.sbatch` | start it here, or on Slurm with `--devices` GPUs; more flags may follow them |
| `train.py`, `recipe.py`, `data.py` | what the engine reads: a Trainer (hf), a launch script (olmo-core), a module with `model` and `train` (torchtitan), index files of the token store (megatron) |
| `config.json`, `tokenizer.json`, `llamafactory.yaml` | hf only: a Hugging Face model folder, and a recipe for LLaMA-Factory |
| `model.safetensors` | our initial weights under the engine's names, with `--weights` |
| `PARITY.md` | what is equal, near and different |

An arm that an engine cannot express is refused with the reason. `--changed` exports it with the nearest setting and lists what
changed. The scripts of hf, torchtitan and olmo-core read the windows of a run through this toolkit, so its data order, its unique
tokens and its validation windows are ours; install it next to the engine (numpy is enough). Megatron reads the token store itself.

**Hugging Face.** The default arm (softmax, a shared expert, a dense layer first) is written as qwen2_moe: the gate of its shared expert
is 0, which halves the output, and the down projection is doubled. transformers pools the loads of all L MoE layers in its balance loss.
Its coefficient is written as b L^2 / K over the forward passes of a step, which matches the size of the pressure and not its direction.
`train.py` adds the balance loss of each layer instead. Busiest expert over the mean load, mean of the last 50 of 250 steps and of all layers
(d_model 64, 32 experts, 8 MoE layers, stdlib, b = 0.01):

{measured}

**A model folder** of `scaling.export STUDY RUN_ID` loads in transformers 5. It holds tasks for lm-eval: `tasks/validation.yaml` (our
validation documents) and `tasks/own.yaml` (a JSONL of your own); the first line of each file is its command.

**The way back.** A row is recognised by a run_id in any of its columns or in the path of a log. N comes from the plan. Rows with another D or
peak learning rate are left out with the reason, as is an `eval_loss` of transformers that holds the balance loss. `--keep` writes records, so that
the report shows these runs as "trained elsewhere" with the engine.

## What is equal

`make interop` installs the engines into `.interop/` and runs the tests that the last column names, on four shapes: dense; top-1 and top-4
with a shared expert and a dense layer first; a renormalised sigmoid with a router bias. `read` stands where only the source was read.
Differences are relative to the largest value; those of loss curves and of Megatron's steps are nats.
None of this has run on a GPU or on several processes.
"""  # noqa: E501
MEASURED = """| K | seed | ours | train.py | coefficient alone |
|---|---|---|---|---|
{rows}"""
BUSIEST = (
    (1, 0, 2.45, 2.37, 4.54),
    (1, 1, 2.53, 2.54, "–"),
    (4, 0, 1.70, 1.69, 3.61),
)
"""K, seed, and busiest expert over the mean load under ours, the exported Trainer, and the coefficient alone."""


def page() -> str:
    """Return the page."""
    rows = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in BUSIEST)
    parts = [INTRODUCTION.format(measured=MEASURED.format(rows=rows))]
    for engine in ENGINES.values():
        parts.append(f"### {engine.name} ({engine.version})\n\n" + "\n".join(parity_table(engine.name)) + "\n")
    return "\n".join(parts)
