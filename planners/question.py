"""What is asked of the planner: the record that `study.json` holds."""

import math
from dataclasses import dataclass, field
from fractions import Fraction

from planners import flops
from planners.errors import UsageError
from planners.geometry import Geometry
from planners.recipes import RECIPES
from planners.shape import Shape
from planners.spec import Data, Router

UNIQUE = ("fresh", "strict", "loose")
"""Named amounts of unique tokens: all; what the dense arm of the budget consumes; half of D (arXiv 2506.12119)."""


@dataclass(frozen=True, kw_only=True)
class GivenArm:
    """An arm that is planned as it is given, such as one of a published table. Null fields are the question's."""

    label: str
    """Name of the arm."""
    shape: Shape
    """The architecture; nothing of it is matched."""
    router: Router | None = None
    """How tokens are routed."""
    r_a_target: float | None = None
    """The activation rate that its source states."""
    C: float | None = None
    """Training compute in FLOPs; D follows. With neither C nor D the arm is planned at every budget."""
    D: float | None = None
    """Tokens consumed, instead of C."""
    U: int | None = None
    """Unique tokens among them."""
    lr: float | None = None
    """Peak learning rate."""
    batch_tokens: int | None = None
    """Tokens per optimizer step."""
    warmup_steps: int | None = None
    """Steps of linear warm-up."""

    def __post_init__(self) -> None:
        if self.C is not None and self.D is not None:
            raise UsageError(f"arm {self.label}: C {self.C:g} and D {self.D:g} decide each other; give one of the two")
        for name in ("r_a_target", "C", "D", "U", "lr", "batch_tokens"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise UsageError(f"arm {self.label}: {name} {value!r} must be a positive, finite number")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked of the planner. Stored as `study.json`; the same question gives the same plan."""

    study: str
    """Name of the study."""
    total_params: float | None = None
    """N that every arm is matched to; null only where all arms are given."""
    budgets: tuple[float, ...] = ()
    """Training compute C, in FLOPs under `flops_convention`; one or several."""
    arms: tuple[GivenArm, ...] = ()
    """Arms that are planned as given, beside or instead of matched ones."""
    activations: tuple[float, ...] = ()
    """Target rates r_a; 1 is the dense arm."""
    top_ks: tuple[int, ...] = ()
    """K of the MoE arms; 0 is the dense arm."""
    seeds: tuple[int, ...] = (0,)
    """Each arm is trained once per seed; arms of one seed share initial state and data order."""
    data: str | None = None
    """Corpus: stdlib, text:PATH, hf:NAME, a=…*0.7+b=…*0.3, each with @bpe:SIZE or @gpt2; null plans without one."""
    vocab_size: int = 256
    """Vocabulary of a plan that names no corpus; a corpus brings its own."""
    unique_tokens: str | int = "fresh"
    """fresh, strict, loose, or a number of tokens."""
    seq_len: int = 128
    """Context length T."""
    flops_convention: str = "exact"
    """Convention that C is matched under."""
    align: int = 8
    """Widths are multiples of this."""
    recipe: str | None = None
    """Rule for learning rate and batch; null takes the one tuned nearest to N."""
    lr: float | None = None
    """Constant learning rate instead of the rule's."""
    batch_tokens: int | None = None
    """Constant batch instead of the rule's."""
    weight_decay: float | None = None
    """Weight decay instead of the recipe's."""
    schedule: str | None = None
    """Schedule of the learning rate instead of the recipe's."""
    router: Router = field(default_factory=Router)
    """How tokens are routed."""
    moe: Geometry = field(default_factory=Geometry)
    """Fixed sizes of the MoE backbone."""
    dense: Geometry = field(default_factory=Geometry)
    """Fixed sizes of the dense arm."""
    precision: str = "fp32"
    """fp32 or bf16."""
    threads: int = 1
    """CPU threads per run."""
    eval_windows: int = 1024
    """Validation windows that the loss is measured on."""
    eval_steps: int | None = None
    """Steps between evaluations; null: one, at the end."""
    patience: int | None = None
    """Evaluations in a row without a lower loss after which a run stops early; null: it never does."""
    margin: float | None = None
    """Difference of loss in nats that does not matter; fixed before the runs."""

    def __post_init__(self) -> None:
        matched = bool(self.activations or self.top_ks)
        if not matched and not self.arms:
            raise UsageError("give activation rates (1 is dense) or top-k values (0 is dense), or both")
        if matched and self.total_params is None:
            raise UsageError("total parameters are missing; the arms of rates and top-k values are matched to them")
        if not self.budgets and (matched or any(arm.C is None and arm.D is None for arm in self.arms)):
            raise UsageError("a budget is missing; give the training compute C that the arms are planned at")
        for rate in self.activations:
            if not 0 < rate <= 1:
                raise UsageError(f"activation rate {rate:g} is outside (0, 1]; it is the active share of parameters")
        if self.flops_convention not in flops.CONVENTIONS:
            raise UsageError(f"FLOPs convention {self.flops_convention!r} is not one of {', '.join(flops.CONVENTIONS)}")
        if isinstance(self.unique_tokens, str) and self.unique_tokens not in UNIQUE:
            raise UsageError(f"unique tokens {self.unique_tokens!r} must be a number or one of {', '.join(UNIQUE)}")
        if self.recipe is not None and self.recipe not in RECIPES:
            raise UsageError(f"recipe {self.recipe!r} is not one of {', '.join(RECIPES)}")

    @property
    def wants_dense(self) -> bool:
        """Whether the dense arm was asked for."""
        return 1 in self.activations or 0 in self.top_ks


@dataclass(frozen=True, kw_only=True)
class CorpusDomain:
    """One domain of a corpus of several."""

    label: str
    """Its name."""
    share: Fraction
    """Its share of the tokens of every run."""
    train_tokens: int
    """Tokens of its training split."""
    validation_tokens: int
    """Tokens of its validation split."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a planner must know of a corpus."""

    data: Data
    """Name and fingerprint."""
    vocab_size: int
    """Size of its vocabulary."""
    train_tokens: int
    """Tokens of its training split."""
    validation_tokens: int
    """Tokens of its validation split."""
    domains: tuple[CorpusDomain, ...] = ()
    """Its domains where there are several: each must be able to give its share."""
