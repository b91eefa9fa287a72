"""task-conflict: when does a mixture of experts learn a set of tasks in fewer tokens, or FLOPs, than a dense model?

Four generated tasks, answers only, a constant learning rate, and tokens until half and nine tenths of the examples are
right. Every arm of a setting sees the same windows with the same seed.
"""

from dataclasses import dataclass, replace

from planners.given_arms import GivenArm, Setting
from planners.presets.sized import arms_of, check_size
from planners.question import Question

SEQ_LEN, BATCH = 126, 504
"""Nine examples of four steps in a window, four windows a step: with eight the loss at equal tokens was nine times."""
SEEDS, FEWER_SEEDS = tuple(range(8)), tuple(range(4))
TUNING_SEED = 100
"""Seed of the tuning runs, which no verdict uses."""
TASKS = ("arith", "logic", "code", "entail")
THREE = ("dense", "E8", "NC")
TOLD = ("dense", "E8", "NC", "E8-roles", "dense-told", "E8-told")
BALANCE = ("E8 b0", "NC b0", "E8 entropy", "NC entropy")
RATES = (0.5, 1.0, 2.0)
"""Multiples of the rule's learning rate in `task-conflict-tuning`."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One setting with its arms."""

    name: str
    """Name of the setting."""
    data: str
    """Corpus."""
    kinds: tuple[str, ...]
    """Kinds of its arms."""
    d_model: int = 64
    """Width."""
    D: float = 0.6e6
    """Most tokens; a run ends earlier when it has solved its tasks."""
    seeds: tuple[int, ...] = SEEDS
    """Seeds."""
    eval_steps: int = 40
    """Steps between evaluations."""
    eval_windows: int = 64
    """Validation windows: 16 for each task."""
    domains: int = 4
    """Tasks."""
    vocab_size: int = 256
    """Vocabulary."""
    parent: str | None = None
    """Setting whose arms of the same kind its arms start from."""
    U: int | None = None
    """Unique tokens; null: all are."""

    def arms(self) -> list[GivenArm]:
        """Return its arms."""
        numbers = {} if self.U is None else {"U": self.U}
        return arms_of(
            self.name,
            self.kinds,
            self.d_model,
            self.D,
            vocab_size=self.vocab_size,
            domains=self.domains,
            parent=self.parent,
            **numbers,
        )

    def setting(self) -> Setting:
        """Return what its arms share."""
        return Setting(
            name=self.name,
            data=self.data,
            seeds=self.seeds,
            eval_steps=self.eval_steps,
            eval_windows=self.eval_windows,
        )


def alone(task: str, options: str = "", **settings: object) -> Part:
    """Return the setting of one task alone."""
    chosen = {"kinds": ("dense", "E8"), "D": 0.4e6, "seeds": FEWER_SEEDS, "eval_windows": 16, "eval_steps": 20}
    return Part(
        name=f"{task} alone",
        data=f"task:{task}{options}",
        domains=1,
        **{**chosen, **settings},  # type: ignore[arg-type]
    )


LAPTOP = (
    Part(name="hard", data="tasks", kinds=TOLD),
    Part(name="easy", data="tasks-easy", kinds=("dense", "E4", "E8", "NC"), D=0.24e6, eval_steps=20),
    Part(name="own", data="tasks-own", kinds=THREE),
    Part(name="skewed", data="tasks-skewed", kinds=(*THREE, *BALANCE), D=1.2e6, eval_windows=160),
    Part(name="d32", data="tasks", kinds=THREE, d_model=32, D=1.6e6, seeds=FEWER_SEEDS),
    Part(name="d128", data="tasks", kinds=THREE, d_model=128, seeds=FEWER_SEEDS),
    Part(name="one-step", data="tasks,steps=1", kinds=THREE, eval_steps=20),
    *map(alone, TASKS),
    Part(name="crowded", data="tasks-crowded", kinds=(*TOLD, "dense-large"), d_model=32, D=2e6),
    Part(name="crowded own", data="tasks-own,values=64", kinds=("dense", "E8"), d_model=32, D=2e6, vocab_size=312),
    Part(name="crowded one-step", data="tasks-crowded,steps=1", kinds=("dense", "E8"), d_model=32, D=2e6),
)
"""The settings at laptop size."""
SMOKE = (
    Part(name="hard", data="tasks,values=8", kinds=TOLD, D=20_160, seeds=(0,), eval_steps=10),
    alone("arith", ",values=8", D=20_160, seeds=(0,), eval_steps=10),
)


def task_conflict(size: str = "laptop") -> Question:
    """Return the arms of every setting, each until it has solved its tasks: 8 seeds, and 4 where a claim says so.

    - laptop: widths 32 to 128, up to 4M tokens a run.
    - smoke: 8 runs of 20k tokens with 8 values, which test the pipeline and answer nothing.
    - gpu: the same settings at four times the width with 32 and 128 values instead of 16 and 64, and 20 times the
      tokens, in bf16: at most 5.9e16 FLOPs. Steps of 504 tokens leave a GPU mostly idle, so several runs share it.
    """
    check_size(size)
    parts = {"laptop": LAPTOP, "smoke": SMOKE, "gpu": tuple(map(on_gpu, LAPTOP))}[size]
    asked = question("task-conflict", parts)
    if size == "gpu":
        asked = replace(asked, precision="bf16")
    if size == "smoke":
        asked = replace(asked, seeds=(0,))
    return asked if size == "laptop" else replace(asked, study=f"task-conflict-{size}")


def task_conflict_tuning() -> Question:
    """Return every arm of `task-conflict` at half, one and two times its learning rate, with a seed of their own."""
    asked = task_conflict()
    settings = tuple(replace(setting, seeds=(TUNING_SEED,)) for setting in asked.settings)
    arms = tuple(
        replace(arm, label=f"{arm.label} lr{rate:g}", lr=(arm.lr or 0) * rate) for arm in asked.arms for rate in RATES
    )
    return replace(asked, study="task-conflict-tuning", seeds=(TUNING_SEED,), settings=settings, arms=arms, claims=None)


def question(study: str, parts: tuple[Part, ...], claims: str | None = "task-conflict") -> Question:
    """Return the question of some settings: answers only, constant learning rate, ended when solved."""
    return Question(
        study=study,
        arms=tuple(arm for part in parts for arm in part.arms()),
        settings=tuple(part.setting() for part in parts),
        seeds=SEEDS,
        data=None,
        seq_len=SEQ_LEN,
        batch_tokens=BATCH,
        schedule="constant",
        objective="answers",
        solved_at=0.95,
        eval_steps=40,
        claims=claims,
    )


def on_gpu(part: Part) -> Part:
    """Return a setting at GPU size: four times the width, twice the values, 20 times the tokens."""
    options = part.data.replace("values=64", "values=128")
    if part.data.startswith("tasks-crowded"):
        options = part.data.replace("tasks-crowded", "tasks,values=128")
    elif "values" not in part.data and "+" not in part.data:
        options = f"{part.data},values=32"
    vocab_size = {"crowded own": 568}.get(part.name, 256)
    return replace(part, data=options, d_model=4 * part.d_model, D=20 * part.D, vocab_size=vocab_size)
