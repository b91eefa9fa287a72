"""The question to the planner: the record that `study.json` holds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from planners.architecture.flops import CONVENTIONS
from planners.architecture.shape import Shape
from planners.arm_settings import AddedRuns, ArmRecipe
from planners.given_arms import GivenArm, Setting
from planners.matching.controls import parse_control
from planners.matching.equal_params import HOLDS
from planners.matching.frame import Geometry
from planners.recipes import RECIPES
from planners.records.errors import UsageError
from planners.spec import OBJECTIVES, Router
from planners.varied_fields import CONCERNS, Varied, variable_field

ALL = "all"
"""The name that stands for every arm."""
MATCHES = ("N=C", "N=D", "C=D", "N=C=U")
"""What all arms of a row are equal in. The rest follows: D, C, N, or D and how often it repeats."""

GRIDS = ("full", "L")
"""Which pairs of N and C (or D) are planned: all, or those with the first N or the first C."""
UNIQUE = ("fresh", "strict", "loose")
"""Named amounts of unique tokens (arXiv 2506.12119): D; what the dense arm of the budget consumes; half of D. `D/4`
gives every arm four epochs."""


def epochs(unique: str) -> int | None:
    """Return how often each token is seen under this amount of unique tokens; None for other words.

    >>> epochs("D/4"), epochs("loose"), epochs("strict")
    (4, 2, None)
    """
    if unique in ("fresh", "loose"):
        return 1 if unique == "fresh" else 2
    amount, slash, count = unique.partition("/")
    return int(count) if (amount, slash) == ("D", "/") and count.isdecimal() and int(count) > 0 else None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the user asks. Stored as `study.json`; the same question gives the same plan."""

    study: str
    """Name of the study."""
    match: str = "N=C"
    """What all arms of a row are equal in: N=C (D follows), N=D (C follows), C=D (N follows), or N=C=U, where unique
    tokens are equal too and repetition supplies the rest of D."""
    hold: str = "backbone"
    """What MoE arms keep as the rate falls: the backbone, or only its aspect ratios while it shrinks."""
    total_params: float | tuple[float, ...] | None = None
    """N that arms are matched to; null where N follows or all arms are given."""
    budgets: tuple[float, ...] = ()
    """Training compute C in FLOPs, under `flops_convention`."""
    by_size: bool = False
    """Whether `budgets` holds as many values for each N, in the order of `total_params`, instead of values for every N.
    Each N then has its own C, for example at equal C / N^2."""
    tokens: tuple[float, ...] = ()
    """Tokens consumed D, where arms are equal in D."""
    arms: tuple[GivenArm, ...] = ()
    """Arms that are given with their shape, in addition to matched ones or instead of them."""
    activations: tuple[float, ...] = ()
    """Target rates r_a; 1 is the dense arm."""
    top_ks: tuple[int, ...] = ()
    """K of the MoE arms; 0 is the dense arm."""
    seeds: tuple[int, ...] = (0,)
    """Each arm is trained once for each seed; arms of one seed share initial state and data order."""
    own_seeds: bool = False
    """Whether each further budget has new seeds, counted up from the given ones, so that budgets are independent."""
    data: str | None = None
    """Corpus: stdlib, text:PATH, hf:NAME, a=…*0.7+b=…*0.3, each with @bpe:SIZE or @gpt2; null: planned without one."""
    vocab_size: int = 256
    """Vocabulary size of a plan without a corpus; a corpus has its own."""
    unique_tokens: str | int | tuple[str | int, ...] = "fresh"
    """fresh, strict, loose, D/4 (four epochs), or a number of tokens. Under N=C=U fresh means strict."""
    vary: tuple[Varied, ...] = ()
    """Fields of shape, router or training that are set (one value) or crossed (several)."""
    controls: tuple[str, ...] = ()
    """Dense arms of another N: optimal (compute-optimal at C), active:ARM (N = N_a of that arm)."""
    lr_check: tuple[str, ...] = ()
    """Arms that are also planned at sqrt(2) and 1 / sqrt(2) of their learning rate; all: every one."""
    repeat: tuple[str, ...] = ()
    """Arms that are also planned on as many unique tokens as the dense arm consumes (strict reuse); all: every one."""
    tune: tuple[str, ...] = ()
    """Arms that are also planned at 1/2, 2 and 4 times their learning rate and at 1/2 and 2 times their batch."""
    tune_at: tuple[float, ...] = ()
    """Budgets of `tune`, FLOPs; empty: all."""
    tune_seeds: tuple[int, ...] = ()
    """Seeds of the arms that `tune` adds, and of the rule's own pair next to them; empty: the seeds of all arms."""
    added: tuple[AddedRuns, ...] = ()
    """Seeds of single arms in addition to the grid."""
    grid: str = "full"
    """Which pairs of N and C (or D) are planned: full, or L (the first N at every C, every N at the first C)."""
    loss_slope: float | None = None
    """Nats by which the loss falls per unit of ln C; it converts the residual of C to nats."""
    seq_len: int = 128
    """Context length T."""
    flops_convention: str = "exact"
    """Convention that C is matched under."""
    align: int = 8
    """Widths are multiples of this."""
    recipe: str | None = None
    """Recipe for learning rate and batch; null: the one tuned nearest to N."""
    lr: float | None = None
    """Constant learning rate instead of the recipe's."""
    batch_tokens: int | None = None
    """Constant batch in tokens instead of the recipe's."""
    arm_recipes: tuple[ArmRecipe, ...] = ()
    """Learning rates and batches of single arms, instead of the recipe's."""
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
    """CPU threads of a run."""
    eval_windows: int = 1024
    """Validation windows that the loss is measured on."""
    eval_steps: int | None = None
    """Steps between evaluations; null: one evaluation, at the end."""
    patience: int | None = None
    """Evaluations in a row without a lower loss after which a run stops early; null: it never stops early."""
    margin: float | None = None
    """Difference in loss, in nats, that does not matter; fixed before the runs."""
    objective: str = "next_token"
    """What the arms learn to predict."""
    mask_share: float = 0.15
    """Share of the tokens of a window that a masked objective predicts."""
    solved_at: float | None = None
    """Exact match on generated tasks at which a run ends; null: it never does."""
    settings: tuple[Setting, ...] = ()
    """Settings of the given arms, each with a corpus or other values of its own."""
    claims: str | None = None
    """Table in `planners.claims` that the study answers; null: it answers with the best activation rate."""

    def __post_init__(self) -> None:
        for name in ("total_params", "unique_tokens"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) == 1:  # so that one value has one spelling
                object.__setattr__(self, name, value[0])
        self._check_words()
        self._check_numbers()
        self._check_amounts()
        self._check_settings()
        self._check_contradictions()

    @property
    def is_matched(self) -> bool:
        """Whether it asks for matched arms."""
        return bool(self.activations or self.top_ks)

    @property
    def wants_dense(self) -> bool:
        """Whether it asks for the dense arm."""
        return 1 in self.activations or 0 in self.top_ks

    @property
    def totals(self) -> tuple[float, ...]:
        """The values of N that it asks for."""
        if self.total_params is None:
            return ()
        return self.total_params if isinstance(self.total_params, tuple) else (self.total_params,)

    @property
    def unique(self) -> tuple[str | int, ...]:
        """The amounts of unique tokens that it asks for."""
        asked = self.unique_tokens if isinstance(self.unique_tokens, tuple) else (self.unique_tokens,)
        return tuple("strict" if U == "fresh" and self.match == "N=C=U" else U for U in asked)

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of all corpora that its arms read."""
        used = {arm.setting for arm in self.arms}
        own = [setting.data for setting in self.settings if setting.name in used]
        return tuple(dict.fromkeys(name for name in (self.data, *own) if name is not None))

    def with_seeds(self, count: int) -> "Question":
        """Return the question with this many seeds for every arm, counted up from the first one."""

        def counted(seeds: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(range(seeds[0], seeds[0] + count))

        settings = (replace(each, seeds=counted(each.seeds)) if each.seeds else each for each in self.settings)
        return replace(self, seeds=counted(self.seeds), settings=tuple(settings))

    def of_arm(self, arm: GivenArm) -> "Question":
        """Return the question as a given arm sees it: with the values of its setting."""
        found = next((setting for setting in self.settings if setting.name == arm.setting), None)
        return self if found is None else replace(self, **found.values)

    def _check_settings(self) -> None:
        """Refuse settings and parents that no arm can have."""
        names = [setting.name for setting in self.settings]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"the setting {name!r} is given twice; give each a name of its own")
        earlier: dict[str, Shape] = {}
        for arm in self.arms:
            if arm.setting and arm.setting not in names:
                raise UsageError(f"arm {arm.label}: its setting {arm.setting!r} is not one of {', '.join(names)}")
            if arm.parent is not None and arm.parent not in earlier:
                known = "itself or a later arm" if arm.parent in {one.label for one in self.arms} else "not an arm"
                raise UsageError(
                    f"arm {arm.label} starts from {arm.parent!r}, which is {known} of this question; list the parent"
                    " before it"
                )
            if arm.parent is not None and earlier[arm.parent] != arm.shape:
                raise UsageError(
                    f"arm {arm.label} starts from {arm.parent!r}, which has another shape; give equal shapes"
                )
            earlier[arm.label] = arm.shape

    def _check_words(self) -> None:
        """Refuse words that a field does not know."""
        choices: dict[str, Iterable[str]] = {
            "match": MATCHES,
            "hold": HOLDS,
            "flops_convention": CONVENTIONS,
            "recipe": RECIPES,
            "grid": GRIDS,
            "objective": OBJECTIVES,
        }
        for name, known in choices.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UsageError(f"{name.replace('_', ' ')} {value!r} is not one of {', '.join(known)}")
        for U in self.unique:
            if isinstance(U, str) and U not in UNIQUE and epochs(U) is None:
                raise UsageError(f"unique tokens {U!r} must be a number, D/2, D/4 …, or one of {', '.join(UNIQUE)}")
        for control in self.controls:
            parse_control(control)

    def _check_numbers(self) -> None:
        """Refuse numbers that are not positive and finite, and rates above 1."""
        for rate in self.activations:
            if not 0 < rate <= 1:
                raise UsageError(f"activation rate {rate:g} is outside (0, 1]; it is the active share of parameters")
        numbers = {
            "total parameters": self.totals, "budget": self.budgets, "tokens": self.tokens, "align": (self.align,),
            "unique tokens": [U for U in self.unique if not isinstance(U, str)], "margin": (self.margin,),
            "loss slope": (self.loss_slope,), "seq_len": (self.seq_len,), "lr": (self.lr,),
            "batch_tokens": (self.batch_tokens,), "vocab_size": (self.vocab_size,),
        }  # fmt: skip
        for name, values in numbers.items():
            for value in values:
                if value is not None and not 0 < value < math.inf:
                    raise UsageError(f"{name} {value!r} must be a positive, finite number")
        for top_k in self.top_ks:
            if top_k < 0:
                raise UsageError(f"top-k {top_k} must not be negative; 0 is the dense arm")

    def _check_amounts(self) -> None:
        """Refuse a question that lacks an amount its arms are equal in, or that gives an amount that follows."""
        if not self.is_matched and not self.arms:
            raise UsageError("give activation rates (1 is dense) or top-k values (0 is dense), or both")
        amounts = (
            ("N", "--total-params", self.totals),
            ("C", "--budget", self.budgets),
            ("D", "--tokens", self.tokens),
        )
        for letter, flag, given in amounts if self.is_matched else ():
            if letter in self.match and not given:
                example = ", such as 1e20, or 20N: 20 tokens per parameter of the dense arm" if letter == "C" else ""
                raise UsageError(
                    f"under {self.match} arms are equal in {letter}, which is missing; give {flag}{example}"
                )
        for letter, flag, given in amounts if self.is_matched else ():
            if letter not in self.match and given:
                raise UsageError(f"{letter} follows under {self.match}, so {flag} cannot be given; leave it out")
        if self.by_size and (not self.totals or len(self.budgets) % len(self.totals)):
            raise UsageError(
                f"{len(self.budgets)} budgets cannot be shared among {len(self.totals)} sizes; give as many for each N"
            )
        if not self.budgets and not self.tokens and not all(arm.has_amount for arm in self.arms):
            raise UsageError("a budget is missing; give the training compute C at which to plan the arms")

    def _check_contradictions(self) -> None:
        """Refuse settings that contradict each other."""
        own = [U for U in self.unique if isinstance(U, str) and U != "strict"]
        if self.match == "N=C=U" and own:
            raise UsageError(f"{own[0]} gives every arm its own U; under N=C=U give strict or a number of tokens")
        rates, top_ks = any(rate < 1 for rate in self.activations), any(self.top_ks)
        if self.match == "C=D" and (self.hold == "aspect" or (top_ks and not rates)):
            raise UsageError(
                "under C=D all arms share a backbone and N follows the rate; give rates and no --hold aspect"
            )
        self._check_given()
        if (self.tune_at or self.tune_seeds) and not self.tune:
            raise UsageError("--tune-at and --tune-seeds say where arms are tuned; give --tune too")
        if unknown := [C for C in self.tune_at if C not in self.budgets]:
            raise UsageError(f"--tune-at {unknown[0]:g} is not a budget of this plan; give one of those")
        fields = [varied.field for varied in self.vary]
        for name in fields:
            if fields.count(name) > 1:
                raise UsageError(f"{name} is varied twice; give all its values in one list")
            if self._is_set(name):
                raise UsageError(f"{name} is given and varied; give one of the two")

    def _check_given(self) -> None:
        """Refuse settings that would affect no arm, where all arms are given with their shape."""
        if self.is_matched:
            return
        sizes = [name for fixed in (self.moe, self.dense) for name, size in vars(fixed).items() if size is not None]
        idle = sizes + [
            varied.field for varied in self.vary if variable_field(varied.field).kind not in CONCERNS["given"]
        ]
        if idle:
            raise UsageError(
                f"{idle[0]} has no part in arms that are given with their shape; give rates or top-k values too"
            )
        for name in ("lr", "batch_tokens"):
            varied = any(one.field == name for one in self.vary)
            if (varied or getattr(self, name) is not None) and all(getattr(arm, name) for arm in self.arms):
                raise UsageError(f"{name} has no part here: every given arm has its own value; leave it out")

    def _is_set(self, name: str) -> bool:
        """Return whether a varied field also has a value of its own."""
        field = variable_field(name)
        records = {
            "dense": (self.dense, Geometry()),
            "sizes": (self.moe, Geometry()),
            "router": (self.router, Router()),
        }
        if field.kind in records:
            own, usual = (getattr(record, field.name) for record in records[field.kind])
            return bool(own != usual)
        optional = ("recipe", "lr", "batch_tokens", "weight_decay", "schedule", "eval_steps", "patience")
        return name in optional and getattr(self, name) is not None
