"""Runs of known laws: an isoFLOP grid of dense models, and rates at several sizes and budgets."""

import math

import numpy as np

TRUTH = {"A": 480.0, "B": 2000.0, "E": 1.8, "alpha": 0.35, "beta": 0.37}


def dense_runs(noise=0.0, budgets=(1e18, 1e19, 1e20), seed=0, **columns):
    """An isoFLOP grid of Chinchilla's law."""
    random = np.random.default_rng(seed)
    rows = []
    for C in budgets:
        for N in np.geomspace(0.1, 10, 9) * math.sqrt(C / 120):
            D = C / (6 * N)
            loss = TRUTH["E"] + TRUTH["A"] / N ** TRUTH["alpha"] + TRUTH["B"] / D ** TRUTH["beta"]
            rows.append({"N": N, "D": D, "C": C, "loss": loss * math.exp(noise * random.standard_normal()), **columns})
    return rows


def best_size(C):
    """The closed form of arXiv 2203.15556."""
    alpha, beta = TRUTH["alpha"], TRUTH["beta"]
    G = (alpha * TRUTH["A"] / (beta * TRUTH["B"])) ** (1 / (alpha + beta))
    return G * (C / 6) ** (beta / (alpha + beta))


def moe_runs(noise=0.0, sizes=(1e8,), budgets=(1e18, 3e18, 1e19), seeds=3):
    """Rates, budgets and sizes with the best rate 0.2 (C / 3e18)^0.1, and dense arms 0.05 nats above it."""
    random, rows = np.random.default_rng(1), []
    for N in sizes:
        for C in budgets:
            level = 1.8 + 300 / N**0.3 + 500 / (C / (6 * N)) ** 0.3
            for rate in (1.0, 0.05, 0.09, 0.16, 0.28, 0.5):
                cost = 0.04 * math.log(rate / (0.2 * (C / 3e18) ** 0.1)) ** 2 if rate < 1 else 0.05
                for seed in range(seeds):
                    loss = level + cost + noise * random.standard_normal()
                    row = {"N": N, "r_a": rate, "C": C, "D": C / (6 * N * rate), "loss": loss, "seed": seed}
                    rows.append({**row, "n_experts": 1 if rate == 1 else 64})
    return rows
