"""The machine's noise as it is: its distribution estimated from the run itself, with no shape assumed.

Step k is the same work in every round, so what a step took beyond its usual time is noise, and the noise of every step
of both cells is of one kind. On shared machines it is one-sided: most steps are within some per cent of the shortest,
the others take up to twice as long for a while, whatever they compute. The mean of such times is ruled by the bursts,
and a low quantile is not the best either. The estimator of least variance is that of maximum likelihood under the
noise's own density; where that is unknown it may be estimated from the residuals, which costs nothing for many of them
(Stone 1975, "Adaptive Maximum Likelihood Estimators of a Location Parameter"; Bickel 1982, "On Adaptive Estimation").
Normal noise makes it the mean, a sharp left edge makes it nearly the minimum.

Everything is in natural logarithms of seconds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEP = 0.01  # of all grids
SMOOTH = 0.025  # standard deviation of the kernel: differences below it are averaged, as if they were normal noise
FLOOR = 0.02  # density of what never happened: a single wild time must not rule it out
LOW, HIGH = -1.0, 2.0  # residuals beyond count as if they were here
REACH = 30  # grid steps by which a step's cost may be off its first guess, to each side
SHIFTS = np.arange(-REACH, REACH + 1) * STEP


SIZE = round((HIGH - LOW) / STEP) + 1  # of a density
_KERNEL = np.exp(-0.5 * (np.arange(-20, 21) * STEP / SMOOTH) ** 2)
_KERNEL /= _KERNEL.sum()


def log_density(residuals: Floats) -> Floats:
    """The logarithm of the noise's density from LOW to HIGH, (pairs, SIZE), from residuals (pairs, ...), NaN where missing."""
    flat = residuals.reshape(len(residuals), -1)
    known = ~np.isnan(flat)
    places, share = _places(np.where(known, flat, 0.0))
    places += np.arange(len(flat))[:, None] * SIZE
    size = len(flat) * SIZE
    counts = np.bincount(places[known], 1 - share[known], size) + np.bincount(places[known] + 1, share[known], size)
    padded = np.pad(counts.reshape(-1, SIZE), ((0, 0), (len(_KERNEL) // 2, len(_KERNEL) // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(_KERNEL), axis=1)
    # not by @: a BLAS would start threads, which cost more than this does
    density = np.einsum("psk,k->ps", windows, _KERNEL) / known.sum(axis=1, keepdims=True) / STEP
    return np.asarray(np.log(density + FLOOR))


def curves(residuals: Floats, density: Floats) -> Floats:
    """How likely each residual is if its cost were larger by each of SHIFTS: (..., shifts), logarithms; 0 where missing.

    Residuals (pairs, ...) with a density each, (pairs, SIZE).
    """
    missing = np.isnan(residuals)
    places, share = _places(np.where(missing, 0.0, residuals))
    padded = np.pad(density, ((0, 0), (REACH, REACH)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(SHIFTS), axis=1)[:, :, ::-1]
    pair = np.arange(len(residuals)).reshape(-1, *[1] * (residuals.ndim - 1))
    share = share[..., None]
    curves = (1 - share) * windows[pair, places] + share * windows[pair, places + 1]
    curves[missing] = 0.0
    return np.asarray(curves)


def _places(residuals: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """The grid point below each residual, and how far it is on the way to the next."""
    at = (np.clip(residuals, LOW, HIGH) - LOW) / STEP
    places = np.minimum(at.astype(np.intp), round((HIGH - LOW) / STEP) - 1)
    return places, at - places
