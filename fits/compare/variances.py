"""Is the noise equal between arms? Bartlett's test, powerful for normal noise, and Levene's, robust to outliers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
    from scipy.stats import bartlett, levene

    several = [list(values) for values in groups if len(values) > 1 and max(values) > min(values)]
    if len(several) < 2 or sum(map(len, several)) < len(several) + 2:
        return None
    robust = float(levene(*several).pvalue) if max(map(len, several)) > 2 else None
    return VarianceTest(bartlett=float(bartlett(*several).pvalue), levene=robust)
