"""PLACEHOLDER by the coordinator so that tables can be tried: replace this whole file (keep these three names)."""
from __future__ import annotations
import dataclasses
import numpy as np
from scipy import stats as st

@dataclasses.dataclass(frozen=True)
class Ratio:
    value: float
    low: float | None
    high: float | None
    @property
    def separable(self) -> bool:
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

def _t(x: np.ndarray) -> Ratio:
    m = x.mean()
    if len(x) < 2: return Ratio(float(np.exp(m)), None, None)
    h = st.t.ppf(.975, len(x)-1) * x.std(ddof=1) / len(x)**.5
    return Ratio(*(float(np.exp(y)) for y in (m, m-h, m+h)))

def paired_ratio(baseline: np.ndarray, seconds: np.ndarray) -> Ratio:
    return _t(np.median(np.log(baseline / seconds), axis=1))

def geometric_mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Ratio:
    return _t(np.mean([np.median(np.log(a / b), axis=1) for a, b in pairs], axis=0))

def typical(seconds: np.ndarray) -> float:
    return float(np.median(seconds))
