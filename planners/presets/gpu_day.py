"""gpu-day: activation rates by compute, with enough seeds for an interval, in one day of one GPU."""

from planners.question import Question


def gpu_day() -> Question:
    """Return five rates at three budgets with six seeds: 90 runs of 35M parameters, 2.0e19 FLOPs in total.

    It takes 22 hours on one H100 (989 TFLOP/s in bf16) at a utilisation of 25 %, which is a goal for models of this
    size, not a measurement. `--device NAME --mfu M` forecasts other cases.

    - N: at the middle budget the dense arm has 14 tokens per parameter, near the optimum of 20 (arXiv 2203.15556); at
      the others it has a third of that and three times that.
    - Rates: around the 20 % of arXiv 2506.12119, and dense.
    - Three budgets: one line at a fixed C confounds the rate with tokens per parameter.
    - Six seeds: with three, a pilot of models of 0.29M parameters could not tell whether the optimum moves with C.
    - Data: a sample of FineWeb-Edu (arXiv 2406.17557) of about 10B tokens, of which the sparsest arm reads 7.1B. With a
      vocabulary of 8,192 the head is not most of the FLOPs.
    """
    return Question(
        study="gpu-day",
        total_params=35e6,
        budgets=(5e16, 1.5e17, 4.5e17),
        activations=(1, 0.5, 0.3, 0.2, 0.12),
        seeds=(0, 1, 2, 3, 4, 5),
        data="hf:HuggingFaceFW/fineweb-edu,config=sample-10BT@bpe:8192",
        vocab_size=8192,
        seq_len=1024,
        precision="bf16",
    )
