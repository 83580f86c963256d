"""Estimate of the width of the slice profile from the scan itself.

A slice is sharp along two axes and blurred along the third. Blur a sharp axis x of a scan with a
profile of width w and sample it as densely as the slices lie: if w is the slices' own width, the
scan now has the same detail along x as along the slice axis z, as far as anatomy has no preferred
direction. That comparison is the idea of ESPRESO (Han et al. 2023, Magn Reson Imaging 98:155),
which ECLARE uses (Remedios et al., arXiv:2503.11787) and which learns the profile with a network.
Here the detail is the power spectrum P(k_x, k_z), averaged over the planes that hold both axes.
For Gaussian profiles of widths w_x and w_z (full width at half maximum, in slice spacings; k in
cycles a slice spacing)

    log P(k, l) - log P(l, k) = -c (w_x^2 - w_z^2) (k^2 - l^2),      c = (2 pi)^2 / (8 log 2),

aliasing included, because both axes are sampled alike. So a straight line is fitted to the
differences. A box of width b looks like a Gaussian of width `GAUSSIAN_PER_BOX` b.

Anatomy does have preferred directions: a head is smoother from front to back than from top to
bottom. That shows at low frequencies most, while a profile gives the same slope in every band. So
the slopes of two bands tell the preference apart from the profile: on fine scans, where
w_x = w_z, the slope of the fine band is `PREFERENCE` times the difference of both
(docs/development/slice-profile.md). With d the fine slope without that part, w_x is changed until
the mean of d over both sharp axes is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.acquisition.noise import estimate_noise
from medsr.acquisition.profiles import FWHM_PER_SIGMA, gaussian_matrix
from medsr.intensity import FOREGROUND, scaling_for
from medsr.volume.modality import Modality
from medsr.volume.volume import Volume

__all__ = ["GAUSSIAN_PER_BOX", "NARROWEST", "WidthEstimate", "estimate_width"]

#: c of the module's text.
DECAY = (2 * math.pi / FWHM_PER_SIGMA) ** 2

#: Width of the Gaussian with the variance of a box, over the width of the box.
GAUSSIAN_PER_BOX = FWHM_PER_SIGMA / math.sqrt(12)

#: The bands of the fits, cycles a slice spacing; the fine one ends at the Nyquist frequency.
FINE, LOW = (0.3, 0.5), (0.15, 0.3)

#: Slope of the fine band that anatomy causes, over the difference of the low and the fine slope.
PREFERENCE = 0.36

#: Standard deviation of the error of the squared width, in slice spacings squared; for CT from one
#: fine scan and one thick one.
DEVIATION = {Modality.MR: 0.15, Modality.CT: 0.25}

#: Slices, and samples of a sharp axis that lie as far apart, that a spectrum needs.
LEAST_COUNT = 12

#: Pixels must be this many times finer than the slices.
LEAST_FACTOR = 1.8

#: Widths that are looked for, in slice spacings, and how often the range of squares is halved.
NARROWEST, WIDEST, HALVINGS = 0.15, 2.0, 10

#: Planes of a direction that are used at most.
PLANES = 64

#: Of the estimated noise, to which anatomy adds, so much is subtracted.
NOISE_SHARE = 0.6

#: A voxel spectrum keeps this share where the noise is subtracted; scans whose band is noise by
#: more than `MOSTLY_NOISE` cannot tell.
LEAST_SIGNAL, MOSTLY_NOISE = 0.1, 0.3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WidthEstimate:
    """The width of the slice profile as a scan shows it, as that of a Gaussian.

    Attributes:
        square: the square of the full width at half maximum, in slice spacings squared.
        deviation: standard deviation of `square`.
    """

    square: float
    deviation: float

    @property
    def range(self) -> tuple[float, float]:
        """The width within two standard deviations, in slice spacings.

        >>> WidthEstimate(0.85, 0.18).range
        (0.7, 1.1)
        """
        low, high = (
            math.sqrt(max(self.square + sign * 2 * self.deviation, NARROWEST**2))
            for sign in (-1, 1)
        )
        return round(low, 3), round(high, 3)


def estimate_width(volume: Volume, slice_axis: int) -> WidthEstimate | None:
    """The width of the slice profile of a scan; None where it carries too little detail to tell.

    Args:
        volume: of known modality.
        slice_axis: the voxel axis along which the slices lie.
    """
    modality = Modality(volume.modality or Modality.MR)
    voxels = np.asarray(volume.voxels)
    scaling = scaling_for(modality, voxels, volume.name)
    above = scaling.offset + FOREGROUND * scaling.gain
    noise = NOISE_SHARE * estimate_noise(voxels, slice_axis, above=above)
    found = _square(voxels, [float(mm) for mm in volume.spacing_mm], slice_axis, noise)
    return None if found is None else WidthEstimate(found, DEVIATION[modality])


def _square(
    voxels: NDArray[np.float32], spacing_mm: list[float], slice_axis: int, noise: float
) -> float | None:
    """The squared width at which both directions look alike, in slice spacings squared."""
    slice_mm = spacing_mm[slice_axis]
    planes = [
        _Planes(_planes(voxels, slice_axis, k), spacing_mm[k], slice_mm)
        for k in range(3)
        if k != slice_axis and slice_mm >= LEAST_FACTOR * spacing_mm[k]
    ]
    planes = [one for one in planes if one.length >= LEAST_COUNT]
    if not planes or max(one.share_of_noise(1.0, noise) for one in planes) > MOSTLY_NOISE:
        return None
    low, high = NARROWEST**2, WIDEST**2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if sum(one.slope(middle, noise) for one in planes) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _planes(voxels: NDArray[np.float32], slice_axis: int, sharp: int) -> NDArray[np.float32]:
    """Planes that hold the slice axis and a sharp one: [planes, sharp, slices]."""
    other = 3 - sharp - slice_axis
    step = max(1, voxels.shape[other] // PLANES)
    turned = np.moveaxis(voxels, (other, sharp, slice_axis), (0, 1, 2))
    return np.ascontiguousarray(turned[step // 2 :: step])


@dataclass(frozen=True, eq=False)
class _Planes:
    """Planes [P, sharp, slices], and the distance of their samples, mm."""

    voxels: NDArray[np.float32]
    sharp_mm: float
    slice_mm: float

    @property
    def length(self) -> int:
        """Samples of the square that is compared, along each of its axes."""
        covered = int(self.voxels.shape[1] * self.sharp_mm / self.slice_mm + 1e-6)
        return min(covered, int(self.voxels.shape[2]))

    def _rows(self, square: float) -> Floats:
        """The matrix that blurs and samples the sharp axis: [length, sharp]."""
        count, n = self.voxels.shape[1], self.length
        covered = int(count * self.sharp_mm / self.slice_mm + 1e-6)
        width_mm = math.sqrt(square) * self.slice_mm
        matrix = gaussian_matrix(count, self.sharp_mm, covered, self.slice_mm, width_mm)
        start = (covered - n) // 2
        return matrix[start : start + n]

    def _spectra(self, square: float, noise: float) -> tuple[Floats, Floats]:
        """Power of the planes after the blur, and what of it is white noise: [n, n] each."""
        rows, n = self._rows(square), self.length
        start = (self.voxels.shape[2] - n) // 2
        planes = np.matmul(rows.astype(np.float32), self.voxels[:, :, start : start + n])
        one = np.hanning(n + 2)[1:-1]
        one /= math.sqrt(float(np.square(one).sum()))
        window = (one[:, None] * one[None]).astype(np.float32)
        mean = (planes * window).sum((1, 2), keepdims=True) / window.sum()
        power = np.square(np.abs(np.fft.fft2((planes - mean) * window))).mean(0)
        of_noise = np.fft.fft(one[:, None] * rows, axis=0)
        share = noise**2 * np.square(np.abs(of_noise)).sum(1)
        return power, np.broadcast_to(share[:, None], power.shape)

    def share_of_noise(self, square: float, noise: float) -> float:
        """The median share of noise in the power of the band."""
        power, of_noise = self._spectra(square, noise)
        k = np.abs(np.fft.fftfreq(self.length))
        band = np.maximum(k[:, None], k[None]) >= FINE[0]
        return float(np.median((of_noise / power)[band])) if power[band].all() else 1.0

    def slope(self, square: float, noise: float) -> float:
        """w_z^2 - w_x^2 for a blur of w_x^2 = `square`, without the preference of anatomy."""
        power, of_noise = self._spectra(square, noise)
        signal = np.maximum(power - of_noise, LEAST_SIGNAL * power)
        fine, low = (_slope(signal, band) / DECAY for band in (FINE, LOW))
        return fine - PREFERENCE * (low - fine)


def _slope(power: Floats, band: tuple[float, float]) -> float:
    """Slope of log P(k, l) - log P(l, k) against l^2 - k^2, in a band, weighted by power."""
    half = len(power) // 2
    both = (power + np.roll(power[::-1], 1, 0)) / 2
    both = ((both + np.roll(both[:, ::-1], 1, 1)) / 2)[: half + 1, : half + 1]
    k = np.arange(half + 1) / len(power)
    low, high = np.triu_indices(half + 1, 1)
    used = (k[high] >= band[0]) & (k[high] <= band[1])
    low, high = low[used], high[used]
    ratio = np.log(both[high, low]) - np.log(both[low, high])
    lever = np.square(k[high]) - np.square(k[low])
    weight = (both[high, low] * both[low, high]) ** 0.125
    return float((weight * ratio * lever).sum() / (weight * np.square(lever)).sum())
