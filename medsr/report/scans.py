"""The scans and maps that a page shows, and how they are called there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medsr.errors import UsageError
from medsr.report.colours import AMOUNT, SIGNED, Table
from medsr.volume import planes
from medsr.volume.volume import Volume

__all__ = ["TITLES", "Map", "ScanImages", "maps_of", "telling_plane"]

#: Differences are shown up to this share of the window of the images.
DIFFERENCE_SHARE = 0.25

TITLES = {"before": "Before", "after": "Enhanced", "reference": "Reference"}

#: Map -> its title and what its colours mean.
WORDS = {
    "interval": (
        "90 % interval",
        "Half-width of the 90 % interval: the true value is expected within this distance of the "
        "enhanced one at nine of ten voxels, at edges at fewer. Yellow: wide. Clear: narrow.",
    ),
    "null-space": (
        "Null-space component",
        "The part of the enhanced scan that the measured slices do not determine. Orange: it "
        "makes the scan brighter. Blue: darker. Clear: nothing is added.",
    ),
    "spread": (
        "Spread of the samples",
        "Standard deviation of the samples. Yellow: they differ most. Clear: they agree.",
    ),
}


@dataclass(frozen=True, eq=False)
class ScanImages:
    """What a page shows, all on one grid.

    Attributes:
        after: the enhanced scan.
        before: the measured scan, interpolated to that grid.
        reference: what it should look like.
        std: standard deviation of the samples, in the scan's unit.
        half_width: of the 90 % interval, in the scan's unit.
        null_space_map: the part that the scan did not measure, in its unit.
        guides: other scans of the person that it was made with; in pictures only.
        slice_axis: the voxel axis along which the slices were measured; the page opens on a plane
            that holds it.

    Raises:
        UsageError: the grids differ, or there is neither a scan before nor a reference.
    """

    after: Volume
    before: Volume | None = None
    reference: Volume | None = None
    std: Volume | None = None
    half_width: Volume | None = None
    null_space_map: Volume | None = None
    guides: tuple[Volume, ...] = ()
    slice_axis: int = 2

    def __post_init__(self) -> None:
        if self.before is None and self.reference is None:
            raise UsageError("A report needs the scan before enhancement, a reference, or both.")
        for volume in (*self.images.values(), *self.maps.values(), *self.guides):
            same = volume.shape == self.after.shape
            if not (same and np.allclose(volume.affine, self.after.affine, atol=1e-3)):
                raise UsageError(
                    f"{volume.name} and {self.after.name} are not on one grid; a report "
                    "compares scans voxel by voxel. Interpolate the scan before to the "
                    "enhanced grid."
                )

    @property
    def images(self) -> dict[str, Volume]:
        """Role -> scan, without the maps."""
        every = {"before": self.before, "after": self.after, "reference": self.reference}
        return {role: volume for role, volume in every.items() if volume is not None}

    @property
    def maps(self) -> dict[str, Volume]:
        """Key -> map of the result; differences are made of the images."""
        every = {
            "interval": self.half_width,
            "null-space": self.null_space_map,
            "spread": self.std,
        }
        return {key: volume for key, volume in every.items() if volume is not None}


@dataclass(frozen=True, eq=False)
class Map:
    """A map that can be laid over the scan.

    Attributes:
        key: names it in the page.
        title: names it for the reader.
        words: what its colours mean.
        signed: whether its values lie on both sides of zero.
        top: the value of the strongest colour, in the scan's unit.
        values: [X, Y, Z].
        made_of: the roles of the two images that it subtracts; none where it is an own volume.
    """

    key: str
    title: str
    words: str
    signed: bool
    top: float
    values: NDArray[np.float32]
    made_of: tuple[str, ...] = ()

    @property
    def low(self) -> float:
        """The value of the first colour."""
        return -self.top if self.signed else 0.0

    @property
    def colours(self) -> Table:
        """From its first to its last value."""
        return SIGNED if self.signed else AMOUNT


def maps_of(
    scans: ScanImages, window: tuple[float, float], mask: NDArray[np.bool_]
) -> Iterator[Map]:
    """Every difference, then every map of the result.

    Args:
        scans: what the page shows.
        window: intensities of the images shown darkest and brightest.
        mask: the anatomy, which sets the range of the maps.
    """
    images = scans.images
    reach = DIFFERENCE_SHARE * (window[1] - window[0])
    for role, other in _differences(scans):
        first, second = TITLES[role], TITLES[other].lower()
        title = f"{first} minus {second}"
        words = f"Orange: {first.lower()} is brighter than {second}. Blue: darker. Clear: alike."
        values = np.asarray(images[role].voxels) - np.asarray(images[other].voxels)
        key = f"{role}-{other}"
        yield Map(key, title, words, True, reach, values, (role, other))
    for key, volume in scans.maps.items():
        title, words = WORDS[key]
        values = np.asarray(volume.voxels)
        top = max(float(np.percentile(np.abs(values[mask]), 99.5)), 1e-6)
        yield Map(key, title, words, key == "null-space", top, values)


def telling_plane(scans: ScanImages) -> str:
    """The plane to open on: of the two that hold the slice axis, the larger one."""
    volume = scans.after
    turned, spacing = planes.canonical(volume.voxels, volume.affine)
    size = np.array(turned.shape) * spacing
    along = _world_axis(volume, scans.slice_axis)
    holding = [name for name, cut in planes.PLANES.items() if cut != along]
    return max(holding, key=lambda name: float(np.prod(np.delete(size, planes.PLANES[name]))))


def _world_axis(volume: Volume, axis: int) -> int:
    """Right (0), front (1) or head (2): the direction in which a voxel axis mostly runs."""
    return int(np.abs(volume.affine[:3, axis]).argmax())


def _differences(scans: ScanImages) -> list[tuple[str, str]]:
    if scans.reference is None:
        return [("after", "before")]
    return [(role, "reference") for role in scans.images if role != "reference"][::-1]
