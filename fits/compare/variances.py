"""Is the noise equal between arms? Bartlett's test, powerful for normal noise, and Levene's, robust to outliers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import variance

import numpy as np

from fits.f_test import f_tail
from fits.intervals import TEST_LEVEL


@dataclass(frozen=True, kw_only=True)
class VarianceTest:
    """Tests of equal variances over groups of runs."""

    bartlett: float
    """p of M. S. Bartlett (Proc. R. Soc. A 160 (1937) 268), which assumes normal noise."""
    levene: float | None
    """p of Levene's test with medians (M. B. Brown and A. B. Forsythe, JASA 69 (1974) 364); null for groups of two."""

    @property
    def equal(self) -> bool:
        """Whether equal variances are not rejected by Bartlett's test at 5 %."""
        return self.bartlett >= TEST_LEVEL


def equal_variances(groups: Iterable[Sequence[float]]) -> VarianceTest | None:
    """Return the tests over the groups of two or more different values; None below two such groups."""
    several = [list(values) for values in groups if len(values) > 1 and max(values) > min(values)]
    if len(several) < 2 or sum(map(len, several)) < len(several) + 2:
        return None
    robust = _levene(several) if max(map(len, several)) > 2 else None
    return VarianceTest(bartlett=_bartlett(several), levene=robust)


def _bartlett(groups: list[list[float]]) -> float:
    from scipy.special import chdtrc

    dofs, variances = np.array([len(values) - 1 for values in groups]), np.array([variance(each) for each in groups])
    dof, more = dofs.sum(), len(groups) - 1
    statistic = dof * math.log(dofs @ variances / dof) - dofs @ np.log(variances)
    return float(chdtrc(more, statistic / (1 + (np.sum(1 / dofs) - 1 / dof) / (3 * more))))


def _levene(groups: list[list[float]]) -> float:
    """Return p of the F test that the distances from the median are equal between groups."""
    distances = [np.abs(np.subtract(values, np.median(values))) for values in groups]
    means, every = [each.mean() for each in distances], np.concatenate(distances)
    within = sum(float(np.sum((each - mean) ** 2)) for each, mean in zip(distances, means, strict=True))
    between = float(np.sum((every - every.mean()) ** 2)) - within
    more, dof = len(groups) - 1, len(every) - len(groups)
    return f_tail(between / more / (max(within, 1e-300) / dof), more, dof)
