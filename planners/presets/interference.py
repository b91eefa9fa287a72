"""interference: what happens inside a dense model and a mixture of experts that learn several tasks.

The measures come from `scaling.probe`, on the weights at half solved and at the end of these runs.
"""

from dataclasses import replace

from planners.given_arms import GivenArm, Setting
from planners.presets.sized import KINDS, arms_of, check_size
from planners.presets.task_conflict import FEWER_SEEDS, SEEDS, TASKS, THREE, Part, alone, on_gpu, question
from planners.question import Question

TWO = ("dense", "E8")
FIRST, SECOND = ("arith", "logic"), ("code", "entail")
"""Tasks of the first and of the second stage of forgetting."""
UNIQUE = 10_080
"""Unique tokens of fine-tuning, read ten times."""
FACTS_C = 1e12
"""Training compute of the runs on facts, FLOPs."""


def tasks(names: tuple[str, ...], options: str = "", suffix: str = "") -> str:
    """Return the corpus of some tasks with equal shares."""
    return "+".join(f"{name}{suffix}=task:{name}{options}" for name in names)


def forgetting(setting: str, kinds: tuple[str, ...], options: str, seeds: tuple[int, ...]) -> tuple[Part, ...]:
    """Return three stages: two tasks, the two others from there, and a tenth of the first tokens again."""
    stage = Part(name=f"{setting} first", data=tasks(FIRST, options), kinds=kinds, domains=2, eval_windows=32)
    stage = replace(stage, D=0.4e6, seeds=seeds)
    second = replace(stage, name=setting, data=tasks(SECOND, options), parent=stage.name)
    again = replace(stage, name=f"{setting} again", D=0.02e6, parent=setting, eval_steps=4)
    return stage, second, again


LAPTOP = (
    Part(name="shared", data="tasks", kinds=(*THREE, "E8-roles", "E8 b0")),
    Part(name="own", data="tasks-own", kinds=(*THREE, "E8-roles"), seeds=FEWER_SEEDS),
    Part(name="2 domains", data=tasks(FIRST), kinds=TWO, domains=2, eval_windows=32),
    Part(
        name="8 domains", data=f"{tasks(TASKS)}+{tasks(TASKS, ',rules=2', '-other')}", kinds=TWO, D=1.2e6, domains=8,
        eval_windows=128,
    ),
    Part(name="d32", data="tasks", kinds=("dense",), d_model=32, D=1.6e6, seeds=FEWER_SEEDS),
    Part(name="d128", data="tasks", kinds=("dense",), d_model=128, seeds=FEWER_SEEDS),
    *map(alone, TASKS),
    *forgetting("forget shared", THREE, "", SEEDS),
    *forgetting("forget own", TWO, ",symbols=own", FEWER_SEEDS),
    Part(name="top-p", data="tasks", kinds=("K2", "p0.4"), seeds=SEEDS),
    Part(
        name="fine-tuned", data="task:arith,rules=2", kinds=THREE, D=10 * UNIQUE, U=UNIQUE, domains=1, eval_windows=32,
        parent="shared", eval_steps=20,
    ),
)  # fmt: skip
SMOKE = (
    Part(name="shared", data="tasks,values=8", kinds=TWO, D=10_080, seeds=(0,), eval_steps=10),
    *(
        replace(part, D=10_080, seeds=(0,), eval_steps=10)
        for part in forgetting("forget shared", TWO, ",values=8", (0,))
    ),
)


def interference(size: str = "laptop") -> Question:
    """Return the arms whose insides are measured: by symbols, domains and width, after forgetting and fine-tuning.

    - laptop: widths 32 to 128; forgetting and fine-tuning start from the final weights of earlier runs.
    - smoke: 8 runs of 10k tokens, which test the pipeline and answer nothing.
    - gpu: the same settings at four times the width and 20 times the tokens, in bf16.
    """
    check_size(size)
    if size == "smoke":
        return replace(question("interference-smoke", SMOKE, "interference"), seeds=(0,))
    parts = LAPTOP if size == "laptop" else tuple(map(on_gpu, LAPTOP))
    wide = 1 if size == "laptop" else 4
    asked = question("interference" if size == "laptop" else "interference-gpu", parts, "interference")
    arms = (*asked.arms, *_other_rates(asked.arms), *_facts(wide))
    asked = replace(asked, arms=arms, settings=(*asked.settings, FACTS))
    return asked if size == "laptop" else replace(asked, precision="bf16")


FACTS = Setting(
    name="facts", data="synthetic:facts", seeds=FEWER_SEEDS, seq_len=128, batch_tokens=512, objective="next_token",
    schedule="cosine", eval_steps=400, eval_windows=256,
)  # fmt: skip
"""The long tail: keys drawn by Zipf's law, each with its own fixed value."""


def _facts(wide: int) -> list[GivenArm]:
    """Return the arms that learn facts, all with the same training compute."""
    return [replace(arm, C=FACTS_C * wide**4) for arm in arms_of("facts", THREE, 64 * wide, None)]


def _other_rates(arms: tuple[GivenArm, ...]) -> list[GivenArm]:
    """Return the fine-tuned arms at half and twice their learning rate."""
    names = {f"fine-tuned {kind}" for kind in TWO}
    return [
        replace(arm, label=f"{arm.label} lr{rate:g}", lr=(arm.lr or 0) * rate)
        for arm in arms
        for rate in (0.5, 2.0)
        if arm.label in names
    ]


__all__ = ["KINDS", "interference"]
