"""Rigid registration of two scans of one person, with SimpleITK.

The frame of reference of the headers is the start; rotation and translation are refined on three
resolutions. The measure is the correlation for scans of one contrast, and mutual information for
those of two (Mattes et al. 2003, IEEE Trans Med Imaging 22:120; how well two scans then agree is
said by the normalised mutual information of Studholme, Hill and Hawkes 1999, Pattern Recognit
32:71: 1 for independent images, 2 for images of which each determines the other).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsr.errors import Refused
from medsr.extras import need
from medsr.volume.geometry import Affine
from medsr.volume.volume import Volume

__all__ = ["Measure", "Motion", "register"]

#: Voxels are averaged to these sizes, mm, one resolution after the other.
SHRINK, SMOOTH_MM = (4, 2, 1), (4.0, 2.0, 0.0)

#: A scan that covers less of the fixed one's foreground is of no use.
LEAST_OVERLAP = 0.2

#: Share of the voxels that the measure looks at, and the seed by which they are chosen.
SAMPLED, SEED = 0.1, 1

#: Scans of two contrasts are compared on voxels of this side at least, mm, by histograms of so
#: many bins; on this share of the voxels, since they are few.
COARSE_MM, BINS, SAMPLED_COARSE = 1.5, 32, 0.2

#: Longest step, shortest step, steps of one resolution.
LONGEST, SHORTEST, STEPS = 1.0, 1e-4, 100

#: RAS+ to LPS+ and back.
FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


class Measure(enum.Enum):
    """How it is measured whether two scans agree."""

    CORRELATION = enum.auto()
    MUTUAL_INFORMATION = enum.auto()


@dataclass(frozen=True, eq=False)
class Motion:
    """A rigid motion between two scans.

    Attributes:
        matrix: [4, 4], RAS+ mm of the fixed scan -> RAS+ mm of the moving one.
        before, after: how well the two agree where both are, by the headers alone and with the
            motion: their correlation or normalised mutual information.
        overlap: share of the fixed scan's foreground that the moving one covers.
    """

    matrix: Affine
    before: float
    after: float
    overlap: float

    @property
    def angle_deg(self) -> float:
        """Of the whole rotation, degrees."""
        cosine = (np.trace(self.matrix[:3, :3]) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def shift_mm(self, fixed: Volume) -> float:
        """How far the middle of the fixed scan moves, mm."""
        at = _middle(fixed)
        return float(np.linalg.norm((self.matrix @ at - at)[:3]))

    def index(self, moving: Affine, grid: Affine) -> NDArray[np.float64]:
        """[4, 4], voxels of a grid in the fixed scan's space -> those of the moving scan.

        Args:
            moving, grid: voxel -> RAS+ mm.
        """
        return np.asarray(np.linalg.inv(moving) @ self.matrix @ grid)

    def check_overlap(self, moving: str, fixed: str, purpose: str) -> None:
        """Refuse a scan that covers hardly anything of another.

        Args:
            moving, fixed: names.
            purpose: what so much is needed for; ends the sentence.

        Raises:
            Refused: it does.
        """
        if self.overlap < LEAST_OVERLAP:
            raise Refused(
                f"{moving} covers {100 * self.overlap:.0f} % of the anatomy in {fixed}; at "
                f"least {100 * LEAST_OVERLAP:.0f} % are needed {purpose}"
            )


def register(
    moving: Volume,
    fixed: Volume,
    *,
    refine: bool = True,
    measure: Measure = Measure.CORRELATION,
) -> Motion:
    """How one scan of a person has moved against another.

    Args:
        moving: any grid.
        fixed: any grid.
        refine: else the headers' frame of reference is believed, and only compared.
        measure: of agreement; the correlation needs scans of one contrast.

    Raises:
        Refused: by the headers the two do not overlap.
        UsageError: SimpleITK is not installed.
    """
    need("SimpleITK", "itk", "Registering scans")
    import SimpleITK

    images = _image(fixed, SimpleITK), _image(moving, SimpleITK)
    if measure is Measure.MUTUAL_INFORMATION:
        images = _coarser(images[0], SimpleITK), _coarser(images[1], SimpleITK)
    start = SimpleITK.Euler3DTransform()
    start.SetCenter(_centre(fixed))
    before, overlap = _agreement(*images, start, SimpleITK, measure)
    if overlap == 0:
        raise Refused(
            f"{moving.name} lies beside {fixed.name} by their headers: no voxel of one is within "
            "the other. Are they of one examination?"
        )
    if not refine:
        return Motion(np.eye(4), before, before, overlap)
    found = _refined(*images, start, SimpleITK, measure)
    after, overlap = _agreement(*images, found, SimpleITK, measure)
    if after < before:  # the start was better
        return Motion(np.eye(4), before, before, overlap)
    return Motion(_matrix(found), before, after, overlap)


def _refined(fixed: Any, moving: Any, start: Any, itk: Any, measure: Measure) -> Any:
    method = itk.ImageRegistrationMethod()
    if measure is Measure.CORRELATION:
        method.SetMetricAsCorrelation()
        method.SetMetricSamplingPercentage(SAMPLED, SEED)
    else:
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricSamplingPercentage(SAMPLED_COARSE, SEED)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(LONGEST, SHORTEST, STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTH_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    try:
        found = method.Execute(fixed, moving)
    except RuntimeError:  # the scans drifted apart
        return start
    return itk.Euler3DTransform(found.GetNthTransform(0)) if _is_composite(found) else found


def _is_composite(transform: Any) -> bool:
    return hasattr(transform, "GetNthTransform")


def _agreement(
    fixed: Any, moving: Any, transform: Any, itk: Any, measure: Measure
) -> tuple[float, float]:
    """Agreement over the foreground where both are, and the share of it that is covered."""
    laid = itk.Resample(moving, fixed, transform, itk.sitkLinear, np.nan, itk.sitkFloat32)
    a, b = itk.GetArrayViewFromImage(fixed), itk.GetArrayViewFromImage(laid)
    body = a > a.mean()
    both = body & np.isfinite(b)
    if both.sum() < 2:
        return 0.0, 0.0
    compare = _correlation if measure is Measure.CORRELATION else _mutual_information
    return compare(a[both], b[both]), float(both.sum() / body.sum())


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x * x).sum(dtype=np.float64) * (y * y).sum(dtype=np.float64)))
    return float((x * y).sum(dtype=np.float64)) / scale if scale > 0 else 0.0


def _mutual_information(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Normalised: (H(a) + H(b)) / H(a, b)."""
    clipped = [np.clip(v, *np.percentile(v, [0.5, 99.5])) for v in (a, b)]
    joint, _, _ = np.histogram2d(clipped[0], clipped[1], bins=BINS)
    joint /= joint.sum()

    def entropy(p: NDArray[np.float64]) -> float:
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    both = entropy(joint)
    return (entropy(joint.sum(0)) + entropy(joint.sum(1))) / both if both > 0 else 1.0


def _coarser(image: Any, itk: Any) -> Any:
    """The image on cubic voxels of `COARSE_MM` or more, linear."""
    side = max(COARSE_MM, min(image.GetSpacing()))
    sizes = [n * mm for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    grid = itk.Image([max(4, round(size / side)) for size in sizes], itk.sitkFloat32)
    grid.SetSpacing([side] * 3)
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.GetOrigin())
    return itk.Resample(image, grid, itk.Transform(), itk.sitkLinear, 0.0, itk.sitkFloat32)


def _image(volume: Volume, itk: Any) -> Any:
    image = itk.GetImageFromArray(np.ascontiguousarray(volume.voxels.transpose(2, 1, 0)))
    lps = FLIP @ volume.affine
    spacing = volume.spacing_mm
    image.SetSpacing(spacing)
    image.SetOrigin([float(v) for v in lps[:3, 3]])
    image.SetDirection([float(v) for v in (lps[:3, :3] / np.asarray(spacing)).ravel()])
    return image


def _middle(volume: Volume) -> NDArray[np.float64]:
    """Of a scan: RAS+ mm and 1."""
    return np.asarray(volume.affine @ (*((np.asarray(volume.shape) - 1) / 2), 1.0))


def _centre(volume: Volume) -> list[float]:
    return [float(v) for v in (FLIP @ _middle(volume))[:3]]


def _matrix(transform: Any) -> Affine:
    """[4, 4] in RAS+ mm of a transform x -> R (x - c) + c + t in LPS+."""
    turn = np.asarray(transform.GetMatrix()).reshape(3, 3)
    centre = np.asarray(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = centre + np.asarray(transform.GetTranslation()) - turn @ centre
    return np.asarray(FLIP @ matrix @ FLIP)
