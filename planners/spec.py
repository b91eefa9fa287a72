"""The complete description of one training run: `RunSpec`, a line of `plan.jsonl`."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from planners.architecture import flops
from planners.architecture.shape import Shape
from planners.records.errors import UsageError
from planners.records.json import content_hash, from_json, to_json, without_defaults

SCHEDULES = ("cosine", "wsd", "constant")
PRECISIONS = ("fp32", "bf16")
OBJECTIVES = ("next_token", "answers", "masked")
SCORES = ("softmax", "sigmoid")
BALANCE_FORMS = ("switch", "entropy")
ENGINE = 2
"""Version of the training engine, part of every run id. It grows when the same spec starts to train differently.

Standard deviation of the initial embedding and head: 0.02 in version 1; 1 and 1 / sqrt(d_model) in version 2.
"""


@dataclass(frozen=True, kw_only=True)
class Router:
    """How tokens are sent to experts. Raises UsageError for settings that cannot train."""

    score: str = "softmax"
    """Gate of an expert: a softmax over all experts, or a sigmoid for each."""
    renormalise: bool = False
    """Whether the gates of the chosen experts are scaled to sum to 1 (arXiv 2506.12119 does not)."""
    jitter: float = 0.0
    """In training, router inputs are multiplied by uniform noise in [1 - jitter, 1 + jitter] (arXiv 2101.03961)."""
    capacity_factor: float | None = None
    """Most tokens of an expert over its even share; tokens above are dropped and counted. Null: none are dropped."""
    balance: float = 0.01
    """Coefficient of the balance loss."""
    balance_form: str = "switch"
    """switch: n_experts * sum f p of loads and gates (arXiv 2101.03961, eq. 4); entropy: ln n_experts - H(p)."""
    z_loss: float = 0.0
    """Coefficient of the router z-loss (arXiv 2202.08906, eq. 5)."""
    bias_rate: float = 0.0
    """Step of the loss-free balancing bias (arXiv 2408.15664); 0: no bias."""
    roles: float = 0.0
    """Added to the logits of the experts that belong to the domain of a window, in training and evaluation. Each domain
    has n_experts / domains of them, in order; a remainder belongs to all. 0: experts belong to no domain."""
    domains: int = 0
    """Domains that have experts of their own; the planner takes it from the corpus where `roles` is set."""
    top_p: float | None = None
    """Experts of a token in falling order until their gates sum to this (arXiv 2403.07652): at least one, at most
    top_k; slots that are not used are not computed. Null: always top_k."""
    entropy: float = 0.0
    """Coefficient of the mean entropy of the gates, which makes top-p routing use fewer experts."""

    def __post_init__(self) -> None:
        for name, choices in (("score", SCORES), ("balance_form", BALANCE_FORMS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"router {name} {getattr(self, name)!r} is not one of {', '.join(choices)}")
        for name in ("jitter", "balance", "z_loss", "bias_rate", "roles", "domains", "entropy"):
            if getattr(self, name) < 0:
                raise UsageError(f"router {name} {getattr(self, name)} must not be negative")
        if self.jitter >= 1 or (self.capacity_factor is not None and self.capacity_factor <= 0):
            raise UsageError(f"router jitter {self.jitter} must be below 1 and its capacity factor above 0")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UsageError(f"router top_p {self.top_p} is outside (0, 1]; give a share of the gates, or null")


@dataclass(frozen=True, kw_only=True)
class Data:
    """The corpus that a run reads, by name and by content."""

    name: str
    """What the user calls it: stdlib, text:PATH, hf:NAME, or several with weights; each may name a tokenizer."""
    fingerprint: str
    """Hash of the tokens of both splits; corpora with one fingerprint are the same corpus."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What determines the trained weights and their measured loss, apart from shape, router and data."""

    seq_len: int
    """Context length T in tokens."""
    D: int
    """Tokens consumed, a multiple of `batch_tokens`."""
    U: int
    """Unique tokens among them, a multiple of `seq_len`; the rest of D repeats them."""
    batch_tokens: int
    """Tokens per optimizer step, a multiple of `seq_len`."""
    lr: float
    """Peak learning rate."""
    lr_floor: float
    """Learning rate at the end of the schedule."""
    warmup_steps: int
    """Steps of linear warm-up."""
    weight_decay: float
    """Decoupled weight decay of AdamW, applied to matrices only."""
    schedule: str = "cosine"
    """Learning rate after warm-up: cosine (half a period), wsd (constant at the peak, then a cooldown), or constant."""
    cooldown_share: float = 0.2
    """Share of the steps in the cooldown of wsd; cosine ignores it."""
    betas: tuple[float, ...] = (0.9, 0.95)
    """Moment decay rates of AdamW."""
    clip: float = 1.0
    """Largest gradient norm."""
    objective: str = "next_token"
    """What the model learns to predict: next_token, answers (of generated tasks), or masked (tokens of an encoder)."""
    mask_share: float = 0.15
    """Share of the tokens of a window that a masked objective predicts."""
    targets: float | None = None
    """Predicted tokens of a window, to which alone the head is applied; null: all of them."""
    precision: str = "fp32"
    """Arithmetic of the matrix products: fp32, or bf16 autocast over fp32 weights."""
    threads: int = 1
    """CPU threads; they change the order of sums, so they are part of the run id."""
    eval_windows: int
    """Validation windows of `seq_len` tokens that the loss is measured on."""
    eval_steps: int | None = None
    """Steps between evaluations; null: one evaluation, at the end."""
    patience: int | None = None
    """Evaluations in a row without a lower loss after which the run stops early; null: it never stops early."""
    solved_at: float | None = None
    """Exact match, the mean over the tasks of the corpus, at which an evaluation ends the run; null: it never does."""
    init_from: str | None = None
    """Id of a run of the same study whose final weights are the initial state; null: random, by seed."""
    seed: int
    """Determines initial weights, data order and router noise; arms of one seed share as much of them as they can."""

    def __post_init__(self) -> None:
        for name, choices in (("schedule", SCHEDULES), ("precision", PRECISIONS), ("objective", OBJECTIVES)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} {getattr(self, name)!r} is not one of {', '.join(choices)}")
        for name in ("seq_len", "D", "U", "batch_tokens", "threads", "eval_windows", "lr"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} {getattr(self, name)} must be positive")
        if not 0 < self.cooldown_share <= 1:
            raise UsageError(f"cooldown_share {self.cooldown_share} must be above 0 and at most 1")
        for name in ("eval_steps", "patience"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} {value} must be positive, or null")
        if self.patience is not None and self.eval_steps is None:
            raise UsageError(f"patience {self.patience} counts evaluations, so it needs eval_steps; give both")
        if self.solved_at is not None and (self.eval_steps is None or not 0 < self.solved_at <= 1):
            raise UsageError(
                f"solved_at {self.solved_at} is a share in (0, 1] that evaluations reach; give eval_steps too"
            )
        if not 0 < self.mask_share < 1:
            raise UsageError(
                f"mask_share {self.mask_share} is outside (0, 1); give a share of the tokens, such as 0.15"
            )
        if self.batch_tokens % self.seq_len or self.D % self.batch_tokens or self.U % self.seq_len:
            raise UsageError(
                f"batch_tokens {self.batch_tokens} and U {self.U} must be multiples of seq_len {self.seq_len},"
                f" D {self.D} of batch_tokens"
            )

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return self.D // self.batch_tokens


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run of a study: what determines it (`shape`, `router`, `training`, `data`), its labels and its numbers.

    `run_id` hashes only what determines the training, so the same training has the same folder. `RunSpec.build` makes
    one; `RunSpec.read` reads one and refuses a line that someone edited.
    """

    run_id: str
    """Hash of shape, router, training and data fingerprint, 12 hexadecimal digits."""
    study: str
    """Name of the study that asked for the run."""
    arm: str
    """Label of the arm: dense, K4."""
    role: str = "matched"
    """matched, given (with its shape), control (dense, of another N), lr_check or tuning (another learning rate or
    batch)."""
    series: str = ""
    """What is varied besides the rate, such as norm=layernorm; one curve of r_a belongs to one series."""
    shape: Shape
    """The architecture."""
    router: Router
    """How tokens are routed; the defaults for a dense model, which ignores them."""
    training: Training
    """Data amounts, recipe numbers, precision, seed."""
    data: Data | None
    """The corpus; null in a plan without one, which cannot be trained."""
    recipe: str
    """Recipe of learning rate and batch, and which of the two were given instead."""
    N: int
    """Parameters except the vocabulary."""
    N_a: int
    """Active parameters except the vocabulary."""
    N_vocab: int
    """Parameters of the vocabulary."""
    r_a: float
    """Activation rate N_a / N."""
    epochs: float
    """D / U."""
    C: float
    """Training FLOPs, D times FLOPs per token under `flops_convention`."""
    flops_convention: str
    """Convention of C."""
    flops_per_token: dict[str, int]
    """M under each stored convention."""
    target: dict[str, float]
    """The values of N, C, D, U and r_a that were asked for."""

    @property
    def budget(self) -> float:
        """The compute that was asked for, which the runs of a budget share; without one, the compute of the run."""
        return self.target.get("C", self.C)

    @classmethod
    def build(
        cls,
        *,
        study: str,
        arm: str,
        shape: Shape,
        router: Router,
        training: Training,
        data: Data | None,
        recipe: str,
        flops_convention: str,
        target: dict[str, float],
        role: str = "matched",
        series: str = "",
    ) -> "RunSpec":
        """Return the spec with its run id and its derived numbers. Raises UsageError for what cannot be trained."""
        if shape.is_dense:
            router = Router()
        if router.renormalise and shape.top_k == 1:
            raise UsageError("with top_k 1 a renormalised gate is always 1, so the router cannot learn; use K > 1")
        if training.schedule != "wsd" and training.cooldown_share != Training.cooldown_share:
            raise UsageError(
                f"cooldown_share {training.cooldown_share} is only for schedule wsd, not for {training.schedule}"
            )
        _check_objective(shape, training)
        _check_router(shape, router)
        if shape.positions == "learned" and training.seq_len > shape.max_positions:
            raise UsageError(f"seq_len {training.seq_len} is longer than max_positions {shape.max_positions}")
        per_token = dict(_per_token(shape, training.seq_len, flops_convention, training.targets))
        return cls(
            run_id=_identity(shape, router, training, data),
            study=study,
            arm=arm,
            role=role,
            series=series,
            shape=shape,
            router=router,
            training=training,
            data=data,
            recipe=recipe,
            N=shape.N,
            N_a=shape.N_a,
            N_vocab=shape.N_vocab,
            r_a=shape.r_a,
            epochs=training.D / training.U,
            C=float(training.D * per_token[flops_convention]),
            flops_convention=flops_convention,
            flops_per_token=per_token,
            target=target,
        )

    @classmethod
    def read(cls, line: Any, where: str) -> "RunSpec":
        """Return the spec of a JSON line. Raises UsageError where its numbers do not follow from its settings."""
        if not isinstance(line, dict):
            raise UsageError(f"{where}: expected an object with the fields of a run")
        training = {name: line[name] for name in Training.__dataclass_fields__ if name in line}
        rest = {name: value for name, value in line.items() if name not in training}
        for name, kind in (("shape", Shape), ("router", Router)):
            if isinstance(part := line.get(name), dict):
                with suppress(UsageError, TypeError):  # the same again below, with the name of the line
                    rest[name] = _part(kind, tuple(part), *part.values())
        spec = from_json(cls, {**rest, "training": training}, where)
        rebuilt = cls.build(**{name: getattr(spec, name) for name in _GIVEN})
        if rebuilt != spec:
            wrong = next(name for name in cls.__dataclass_fields__ if getattr(rebuilt, name) != getattr(spec, name))
            raise UsageError(
                f"{where}: {wrong} is {getattr(spec, wrong)!r} but its settings give {getattr(rebuilt, wrong)!r};"
                " plan again instead of editing a run"
            )
        return spec

    def to_line(self) -> dict[str, Any]:
        """Return the JSON line of `plan.jsonl`; the fields of `training` are on the same level as the others."""
        line = to_json(self)
        training = line.pop("training")
        return {**line, **training}


_GIVEN = (
    "study",
    "arm",
    "role",
    "series",
    "shape",
    "router",
    "training",
    "data",
    "recipe",
    "flops_convention",
    "target",
)


@lru_cache(maxsize=4096, typed=True)
def _part(kind: type[Shape] | type[Router], names: tuple[str, ...], *values: Any) -> Shape | Router:
    """Return the shape or router with these fields. Cached: the runs of an arm share them."""
    return from_json(kind, dict(zip(names, values, strict=True)), "run")


def targets_of(objective: str, mask_share: float, seq_len: int, answers: float | None) -> float | None:
    """Return the predicted tokens of a window; `answers` are those of the corpus. Null: every token, or not known."""
    if objective == "masked":
        return float(round(mask_share * seq_len))
    return answers if objective == "answers" else None


def _check_objective(shape: Shape, training: Training) -> None:
    """Refuse an encoder that is not trained on masked tokens, and a decoder that is."""
    masked = training.objective == "masked"
    if masked == shape.causal:
        kind = "a decoder (causal true)" if shape.causal else "an encoder (causal false)"
        raise UsageError(
            f"objective {training.objective} cannot train {kind}; masked is for encoders, the others are not"
        )
    if masked and not 0 < round(training.mask_share * training.seq_len) < training.seq_len:
        raise UsageError(f"mask_share {training.mask_share} masks no token, or all, of a window of {training.seq_len}")


def _check_router(shape: Shape, router: Router) -> None:
    """Refuse roles that the experts cannot have, and top-p routing with one expert."""
    if router.roles and not 1 < router.domains <= shape.n_experts:
        raise UsageError(
            f"roles need at least 2 domains, and an expert for each: there are {router.domains} domains and"
            f" {shape.n_experts} experts; give a corpus of several domains and more experts, or leave roles out"
        )
    if router.top_p is not None and shape.top_k == 1:
        raise UsageError(f"top_p {router.top_p} chooses how many of top_k experts are used; with top_k 1 give none")
    if router.top_p is not None and (router.capacity_factor is not None or router.renormalise):
        raise UsageError("top_p cannot be combined with a capacity factor or renormalised gates; leave one out")


@lru_cache(maxsize=4096)
def _per_token(shape: Shape, seq_len: int, convention: str, targets: float | None) -> dict[str, int]:
    """Return M under each stored convention and the chosen one. Cached: seeds and budgets share it."""
    return {
        name: flops.flops_per_token(shape, seq_len, name, targets=targets)
        for name in dict.fromkeys((*flops.STORED, convention))
    }


@lru_cache(maxsize=4096)
def _architecture(shape: Shape, router: Router) -> dict[str, Any]:
    return {"shape": without_defaults(shape), "router": without_defaults(router)}


def _identity(shape: Shape, router: Router, training: Training, data: Data | None) -> str:
    """Return the run id: a hash of what determines the training, without labels such as study, arm or corpus name."""
    return content_hash(
        {
            "engine": ENGINE,
            **_architecture(shape, router),
            "training": without_defaults(training),
            "data": data.fingerprint if data else None,
        }
    )
