"""What an export needs: a planned run with its place and its corpus, and an engine as data.

`RunSpec` is the neutral description of a run. Each engine file maps its fields to those of the engine.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

from jobs.corpora.tokens import GENERATED, Manifest, read_manifest, store_folder
from planners.records.errors import UsageError
from planners.records.json import to_json
from planners.spec import Router, RunSpec

PASS_TOKENS = 2**14
"""Most tokens of a forward pass on one device where the user gives no micro-batch."""
NODE = 8
"""GPUs of a node."""
PLACE = "${SCALING_CORPORA:?set it to the folder of the token stores}"
"""The folder of the corpora in a shell script whose corpus is not on this machine."""


def manifest_of(spec: RunSpec) -> Manifest | None:
    """Return the manifest of the corpus of a run; None if it names none or its store is not on this machine."""
    try:
        return read_manifest(store_folder() / spec.data.fingerprint) if spec.data else None
    except UsageError:
        return None


@dataclass(frozen=True, kw_only=True)
class EngineRun:
    """One run as an engine is to train it."""

    spec: RunSpec
    """The planned run, with the settings that an engine cannot express already replaced (`changed`)."""
    devices: int = 1
    """GPUs that share the run."""
    changed: tuple[str, ...] = ()
    """What differs from the planned run because the engine cannot express it, one sentence each."""

    stop_after: int | None = None
    """Steps after which a comparison of loss curves stops, on the schedule of the whole run; null for a whole run."""

    @property
    def windows(self) -> int:
        """Sequences per optimizer step."""
        return self.spec.training.batch_tokens // self.spec.training.seq_len

    @cached_property
    def micro_batch(self) -> int:
        """Sequences of a forward pass on one device: the most that divide the batch, up to `PASS_TOKENS` tokens."""
        each, most = self.windows // self.devices, max(1, PASS_TOKENS // self.spec.training.seq_len)
        return max(size for size in range(1, min(each, most) + 1) if each % size == 0)

    @property
    def accumulation(self) -> int:
        """Forward passes of one device in an optimizer step."""
        return self.windows // self.devices // self.micro_batch

    @property
    def cooldown_steps(self) -> int:
        """Steps in which wsd lowers the learning rate; never so many that they cut the warm-up."""
        training = self.spec.training
        return min(ceil(training.cooldown_share * training.steps), training.steps - training.warmup_steps)

    @property
    def eval_steps(self) -> int:
        """Steps between evaluations; all steps where only the last one is evaluated."""
        return self.spec.training.eval_steps or self.spec.training.steps

    @property
    def manifest(self) -> Manifest | None:
        """The manifest of the corpus; null where the plan has none or its store is not on this machine."""
        return manifest_of(self.spec)

    @property
    def store(self) -> str:
        """Folder of the token store, for a shell script."""
        if self.manifest is not None:
            return str(store_folder() / self.manifest.fingerprint)
        return f"{PLACE}/{self.spec.data.fingerprint if self.spec.data else 'FINGERPRINT'}"

    def recipe(self, engine: "Engine") -> dict[str, Any]:
        """Return the content of `recipe.json`: the run in neutral words."""
        spec = self.spec
        return {
            "run_id": spec.run_id, "study": spec.study, "arm": spec.arm, "engine": engine.name,
            "engine_version": engine.version, "changed": list(self.changed), "N": spec.N, "D": spec.training.D,
            "steps": spec.training.steps, "batch_sequences": self.windows, "devices": self.devices,
            "micro_batch": self.micro_batch, "accumulation": self.accumulation, "cooldown_steps": self.cooldown_steps,
            "stop_after": self.stop_after,
            "moe_layers": spec.shape.n_moe_layers,
            **{name: to_json(getattr(spec, name)) for name in ("shape", "router", "training", "data")},
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A property of a run that an engine cannot express."""

    applies: Callable[[RunSpec], bool]
    """Whether a run has it."""
    reason: str
    """What the engine lacks, as a clause."""
    change: Callable[[RunSpec], RunSpec] | None = None
    """The nearest run that it can express; null: there is none."""
    changed: str = ""
    """What that changes, as a clause."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A training engine that runs are exported to."""

    name: str
    """Name in commands."""
    version: str
    """Release that the exported fields were checked against."""
    limits: tuple[Limit, ...]
    """What it cannot express."""
    files: Callable[[EngineRun], Mapping[str, str]]
    """The text files of a run by their names."""
    weights: Callable[[RunSpec, Mapping[str, Any]], dict[str, Any]]
    """(run, our arrays by name) -> arrays under the engine's names."""
    needs: tuple[str, ...]
    """Packages that train with it."""
    on_cpu: Callable[[RunSpec], bool] = lambda spec: False
    """Whether it trains a run without a GPU."""


def prepared(engine: Engine, spec: RunSpec, *, devices: int, changed: bool) -> EngineRun:
    """Return the run for an engine. Raises UsageError, with the reason, for one that it cannot express.

    With `changed` the settings that the engine lacks are replaced by the nearest that it has.
    """
    sentences = []
    for limit in engine.limits:
        if not limit.applies(spec):
            continue
        if limit.change is None:
            raise UsageError(f"{engine.name} cannot train it: {limit.reason}")
        if not changed:
            raise UsageError(
                f"{engine.name} cannot train it: {limit.reason}; --changed exports it with {limit.changed}"
            )
        spec = limit.change(spec)
        sentences.append(f"{limit.changed}, because {limit.reason}")
    run = EngineRun(spec=spec, devices=devices, changed=tuple(sentences))
    if run.windows % devices:
        raise UsageError(
            f"its batch of {run.windows} sequences cannot be shared by {devices} devices; give other --devices,"
            " or --batch-tokens in the plan"
        )
    return run


def router(**settings: Any) -> Callable[[RunSpec], RunSpec]:
    """Return the change that gives a run these router settings."""
    return lambda spec: replace(spec, router=replace(spec.router, **settings))


def training(**settings: Any) -> Callable[[RunSpec], RunSpec]:
    """Return the change that gives a run these settings of training."""
    return lambda spec: replace(spec, training=replace(spec.training, **settings))


STARTS_ELSEWHERE = Limit(
    applies=lambda spec: spec.training.init_from is not None,
    reason="it starts from the weights of another run, which only this toolkit reads",
)
STOPS_EARLY = Limit(
    applies=lambda spec: spec.training.patience is not None,
    reason="it has no early stopping by our rule",
    change=training(patience=None),
    changed="no early stopping",
)
DROPS_TOKENS = Limit(
    applies=lambda spec: spec.router.capacity_factor is not None,
    reason="it drops no tokens of crowded experts, or other ones",
    change=router(capacity_factor=None),
    changed="no capacity factor",
)
JITTERS = Limit(
    applies=lambda spec: spec.router.jitter > 0,
    reason="its routers add no noise to their inputs",
    change=router(jitter=0.0),
    changed="no jitter",
)
ENTROPY_BALANCE = Limit(
    applies=lambda spec: spec.router.balance_form != "switch",
    reason="its balance loss has the switch form",
    change=router(balance_form="switch"),
    changed="the balance loss in the switch form",
)
HAS_NO_FILES = Limit(
    applies=lambda spec: (found := manifest_of(spec)) is not None and found.tokenizer.startswith(GENERATED),
    reason="its corpus is generated when it is read, and the engine reads files of tokens",
)
IS_MIXED = Limit(
    applies=lambda spec: (found := manifest_of(spec)) is not None and bool(found.domains),
    reason="its corpus has several domains, and the exported data set reads one file of tokens",
)

ROTARY_ONLY = Limit(
    applies=lambda spec: spec.shape.positions in ("alibi", "none"),
    reason="it has neither ALiBi nor attention without positions",
    change=lambda spec: replace(spec, shape=replace(spec.shape, positions="rope")),
    changed="rotary positions",
)


def style(expressed: Mapping[str, Iterable[Any]]) -> tuple[Limit, ...]:
    """Return the limits of an engine whose models have only these values of fields of a shape."""

    def limit(name: str, values: tuple[Any, ...]) -> Limit:
        words = " or ".join(map(str, values))
        return Limit(
            applies=lambda spec: getattr(spec.shape, name) not in values, reason=f"its models have {name} {words}"
        )

    return tuple(limit(name, tuple(values)) for name, values in expressed.items())


PLAIN = {"ffn": ("swiglu",), "norm": ("rmsnorm",), "positions": ("rope",), "attention_bias": ("none",),
         "ffn_bias": (False,), "expert_bias": (False,), "shared_gate": (False,)}  # fmt: skip
"""The usual style of all engines but Hugging Face's families."""


def described(router: Router) -> str:
    """Return how a router balances, for a parity note."""
    words = [
        f"{name} {getattr(router, name):g}" for name in ("balance", "z_loss", "bias_rate") if getattr(router, name)
    ]
    return ", ".join(words) or "not balanced"


def script(name: str) -> str:
    """Return the text of a script that exports copy."""
    return (Path(__file__).parent / "scripts" / f"{name}.txt").read_text("utf-8")
