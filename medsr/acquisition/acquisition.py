"""The acquisition of a scan: the parameters of y = N(A(x)).

Slice *spacing* (distance between slice centres) and slice *thickness* (width of the profile) are
two numbers: thickness < spacing is a gap, thickness > spacing an overlap (DICOM PS3.3
C.7.6.2.1: SliceThickness, C.8.3.1: SpacingBetweenSlices).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medsr.acquisition.shapes import KSPACE, Profile, slice_profile
from medsr.errors import Refused, UsageError
from medsr.volume.modality import Modality
from medsr.volume.thickness import THICKEST, THINNEST, is_plausible_thickness
from medsr.volume.volume import Volume

__all__ = [
    "Acquisition",
    "AxisSampling",
    "for_scan",
    "in_plane_profile",
    "plan_axis",
]


@dataclass(frozen=True)
class AxisSampling:
    """One axis: a fine grid and a low grid with aligned edges, and the profile between.

    Attributes:
        fine_count, low_count: number of samples.
        fine_mm, low_mm: distance between samples, mm.
        width_mm: width of the profile (FWHM of a Gaussian, full width of a box, 1/(2 f_max) of a
            k-space truncation), mm; 0 means that the axis is not blurred.
        profile: a `Profile`, or `KSPACE`.
        added_to_mm: side of the voxels to which the profile adds `width_mm`; None says that these
            are the fine voxels, as in simulated scans.

    Raises:
        UsageError: a count, a distance, a width or a profile that does not exist.
    """

    fine_count: int
    fine_mm: float
    low_count: int
    low_mm: float
    width_mm: float = 0.0
    profile: str = Profile.GAUSSIAN
    added_to_mm: float | None = None

    def __post_init__(self) -> None:
        if min(self.fine_count, self.low_count) < 1 or min(self.fine_mm, self.low_mm) <= 0:
            raise UsageError(f"An axis needs samples at a positive distance, found {self}.")
        if not (math.isfinite(self.width_mm) and self.width_mm >= 0):
            raise UsageError(
                f"A slice profile needs a width of 0 mm or more, not {self.width_mm}."
            )
        if self.profile != KSPACE:
            slice_profile(self.profile)

    @property
    def is_wider_than_pixels(self) -> bool:
        """Whether the fine voxels are larger than those to which the profile adds its width."""
        return self.added_to_mm is not None and self.fine_mm > self.added_to_mm * (1 + 1e-6)

    @property
    def kernel_mm(self) -> float:
        """Width of what the profile adds to a fine voxel, mm: the width of the kernel of A.

        A voxel larger than `added_to_mm` is blurred more by itself, so that a slice adds less to
        it: of Gaussians the variances add up, of boxes the widths. Networks are trained on slices
        whose thickness is added to voxels as fine as those within the slices, and the width of a
        scan means the same (`for_scan`).

        >>> AxisSampling(8, 5.0, 4, 10.0, 6.0, added_to_mm=4.0).kernel_mm ** 2
        27.0
        >>> AxisSampling(8, 5.0, 4, 10.0, 6.0, "box", added_to_mm=4.0).kernel_mm
        5.0
        """
        have = self.added_to_mm
        if have is None or not self.is_wider_than_pixels or self.profile == KSPACE:
            return self.width_mm
        if self.profile == Profile.BOX:
            return max(0.0, self.width_mm - (self.fine_mm - have))
        return math.sqrt(max(0.0, self.width_mm**2 - (self.fine_mm**2 - have**2)))

    @property
    def factor(self) -> float:
        """How many times finer the fine grid is."""
        return self.low_mm / self.fine_mm

    @property
    def is_resampled(self) -> bool:
        """Whether the two grids differ."""
        return self.fine_count != self.low_count or abs(self.factor - 1.0) > 1e-9

    @property
    def is_identity(self) -> bool:
        """Whether the axis is neither resampled nor blurred."""
        return not self.is_resampled and self.width_mm == 0.0


@dataclass(frozen=True)
class Acquisition:
    """The three axes of a scan, in the voxel order of its volume."""

    axes: tuple[AxisSampling, AxisSampling, AxisSampling]

    @property
    def fine_shape(self) -> tuple[int, int, int]:
        """(X', Y', Z') of the fine grid."""
        a, b, c = self.axes
        return a.fine_count, b.fine_count, c.fine_count

    @property
    def coarse_axis(self) -> int:
        """The axis with the largest factor; of equals the one with the coarsest samples."""
        return max(range(3), key=lambda k: (round(self.axes[k].factor, 4), self.axes[k].low_mm, k))


def plan_axis(
    low_count: int,
    low_mm: float,
    fine_mm: float,
    width_mm: float,
    profile: str,
    added_to_mm: float | None = None,
) -> AxisSampling:
    """The sampling of an axis of a scan whose fine spacing is wanted to be `fine_mm`."""
    if abs(low_mm / fine_mm - 1.0) < 1e-6:
        return AxisSampling(low_count, low_mm, low_count, low_mm)
    fine_count = max(1, round(low_count * low_mm / fine_mm))
    return AxisSampling(fine_count, fine_mm, low_count, low_mm, width_mm, profile, added_to_mm)


def in_plane_profile(modality: Modality | None) -> str:
    """How axes other than the slices' lose resolution: CT by a Gaussian, others in k-space."""
    return Profile.GAUSSIAN if modality == "CT" else KSPACE


def for_scan(
    volume: Volume,
    fine_spacing_mm: Sequence[float],
    *,
    slice_thickness_mm: float | None = None,
    profile: str | None = None,
) -> Acquisition:
    """How `volume` was acquired, with respect to a finer grid.

    Args:
        volume: the measured scan.
        fine_spacing_mm: spacing of the fine grid along each axis, (3,), mm.
        slice_thickness_mm: overrides the volume's own; where neither is known the slices are
            taken to touch (thickness = spacing).
        profile: slice profile, a `Profile`; overrides the volume's own; Gaussian
            where neither is known. The other axes lose resolution by
            k-space truncation in MR and by a Gaussian of one sample's width in CT.

    Returns:
        Acquisition whose low grid is the volume's.

    Raises:
        Refused: the volume's slice thickness cannot belong to its slice spacing.
        UsageError: `slice_thickness_mm` cannot, or there is no such profile.
    """
    spacing = volume.spacing_mm
    slice_axis = volume.through_plane_axis
    shape = slice_profile(profile or volume.slice_profile or Profile.GAUSSIAN)
    thickness = _thickness(volume, spacing[slice_axis], slice_thickness_mm)
    in_plane_mm = min(spacing[k] for k in range(3) if k != slice_axis)
    in_plane = in_plane_profile(volume.modality)
    axes = [
        plan_axis(volume.shape[k], spacing[k], fine_spacing_mm[k], thickness, shape, in_plane_mm)
        if k == slice_axis
        else plan_axis(volume.shape[k], spacing[k], fine_spacing_mm[k], spacing[k], in_plane)
        for k in range(3)
    ]
    return Acquisition((axes[0], axes[1], axes[2]))


def _thickness(volume: Volume, spacing_mm: float, given_mm: float | None) -> float:
    """The slice thickness that is given, the volume's own, or its slice spacing: mm."""
    thickness = given_mm or volume.slice_thickness_mm or spacing_mm
    if is_plausible_thickness(thickness, spacing_mm):
        return thickness
    apart = f"slices {spacing_mm:.3g} mm apart"
    expected = f"between {THINNEST * spacing_mm:.3g} and {THICKEST * spacing_mm:.3g} mm"
    if given_mm:
        raise UsageError(
            f"A slice thickness of {given_mm:.3g} mm cannot belong to the {apart} of "
            f"{volume.name}; it should lie {expected}. Correct --slice-thickness."
        )
    raise Refused(
        f"{volume.name}: the header gives a slice thickness of {thickness:.3g} mm for {apart}; "
        f"it should lie {expected}. Correct the header, or give the thickness with "
        "--slice-thickness."
    )
