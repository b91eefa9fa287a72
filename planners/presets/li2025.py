"""li2025-2b, -3b, -7b: every run of tables 9 to 17 of arXiv 2506.12119, with its own training numbers.

The ablations of tables 5 to 8 are left out because the paper does not state their D. The paper does not state the
balance coefficient, the capacity, the Adam betas, the precision and the validation set either; they have our defaults.
"""

import math
from collections.abc import Iterable

from planners.given_arms import GivenArm
from planners.published.li2025.rows import SEQ_LEN, VOCAB_SIZE, Li2025Run, li2025_runs, li2025_shape
from planners.question import Question
from planners.recipes import STEP_LAW

SAME = 0.01
"""Relative distance of D below which two rows with one shape are one run that two tables print."""


def li2025_2b() -> Question:
    """Return tables 13, 10 and 9: dense at C and about 2C, MoE at fixed C, and MoE at fixed rates with D varied."""
    return _question("li2025-2b", "2B", 2.15e9, (13, 10, 9))


def li2025_3b() -> Question:
    """Return tables 13, 15 and 16: dense at C and 2C, and MoE that reuses 65B and 114B tokens."""
    return _question("li2025-3b", "3B", 3.29e9, (13, 15, 16))


def li2025_7b() -> Question:
    """Return tables 13, 11, 12, 14, 17: dense at C and 2C, MoE at fixed D, and at fixed C fresh, strict and loose."""
    return _question("li2025-7b", "7B", 6.5e9, (13, 11, 12, 14, 17))


def _question(name: str, scale: str, N: float, tables: tuple[int, ...]) -> Question:
    runs = [run for table in tables for run in li2025_runs() if (run.table, run.scale) == (table, scale)]
    return Question(
        study=name,
        total_params=N,
        arms=tuple(_distinct(_arm(run) for run in runs)),
        vocab_size=VOCAB_SIZE,
        seq_len=SEQ_LEN,
        flops_convention="li2025+router",
        recipe="li2025",
        precision="bf16",
    )


def _arm(run: Li2025Run) -> GivenArm:
    """Return the run as an arm. D is steps times batch where both are printed, because they have more digits."""
    shape = li2025_shape(run)
    lr, batch_tokens = (run.lr, run.batch_tokens) if run.lr else _as_in_table_10(run.D)
    D = run.steps * run.batch_tokens if run.steps and run.batch_tokens else run.D
    scheme = {"moe_strict_reuse": f" U{run.U / 1e9:g}B", "moe_loose_reuse": " U/2"}.get(run.arm, "")
    label = "dense" if shape.is_dense else f"K{shape.top_k} d{shape.d_expert}{scheme}"
    U = round(run.U) if scheme else None
    return GivenArm(label=label, shape=shape, r_a_target=run.r_a, D=D, U=U, lr=lr, batch_tokens=batch_tokens)


def _as_in_table_10(D: float) -> tuple[float, int]:
    """Return learning rate and batch for D tokens, extrapolated from the 2B MoE runs of table 10.

    The table file has neither for tables 9, 15 and 16. Along table 10 both follow D with the exponents of Step Law, so
    the values of the run nearest in D are scaled by them.
    """
    near = min(_table_10(), key=lambda run: abs(math.log(run.D / D)))
    ratio = D / near.D
    return (near.lr or 0) * ratio**STEP_LAW.lr_by_D, round((near.batch_tokens or 0) * ratio**STEP_LAW.batch_by_D)


def _table_10() -> list[Li2025Run]:
    return [run for run in li2025_runs() if run.table == 10]


def _distinct(arms: Iterable[GivenArm]) -> list[GivenArm]:
    """Return the arms without repeats: tables 9 and 12 print some runs of tables 10 and 11 again."""
    kept: list[GivenArm] = []
    for arm in arms:
        same = (one for one in kept if (one.shape, one.label) == (arm.shape, arm.label))
        if all(abs(math.log((one.D or 0) / (arm.D or 1))) > SAME for one in same):
            kept.append(arm)
    return kept
