"""MONAI dictionary transforms: load DICOM or NIfTI, simulate thick slices, upsample::

    Compose([
        LoadImaged("image", reader=VolumeReader(), ensure_channel_first=True),
        SimulateThickSlicesd("image", slice_spacing_mm=4.0),  # adds "image_acquisition"
        UpsampleSlicesd("image"),                               # back on the fine grid, cubic
    ])

MONAI's own DICOM reader sorts by InstanceNumber and averages spacings; `VolumeReader` reads by
position and refuses what is not a volume.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.image_reader import ImageReader
from monai.transforms import MapTransform

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire, upsample
from medsr.acquisition.simulate import plan_degradation
from medsr.errors import UsageError
from medsr.volume import geometry
from medsr.volume.formats import read
from medsr.volume.volume import Volume

__all__ = ["SimulateThickSlicesd", "UpsampleSlicesd", "VolumeReader"]


class VolumeReader(ImageReader):  # type: ignore[misc]
    """A MONAI `ImageReader` over `medsr.volume.formats.read`: NIfTI, DICOM folder, zip or file."""

    def verify_suffix(self, filename: Sequence[Path | str] | Path | str) -> bool:
        """Any path: the format table decides when reading."""
        return True

    def read(self, data: Sequence[Path | str] | Path | str, **kwargs: Any) -> Volume:
        """Read one scan; MONAI's options have no meaning here and are refused.

        Raises:
            UsageError: options were given.
        """
        if kwargs:
            raise UsageError(f"VolumeReader takes no options, found {', '.join(kwargs)}.")
        paths = [data] if isinstance(data, str | Path) else list(data)
        return read(paths[0])

    def get_data(self, img: Volume) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """Voxels [X, Y, Z] float32 and MONAI's metadata (affine RAS+ mm)."""
        meta = {
            "affine": img.affine.copy(),
            "original_affine": img.affine.copy(),
            "spatial_shape": np.asarray(img.shape),
            "original_channel_dim": float("nan"),
            "space": "RAS",
            "modality": img.modality or "",
        }
        return np.array(img.voxels), meta


class SimulateThickSlicesd(MapTransform):  # type: ignore[misc]
    """Simulate thick slices from [C, X, Y, Z] images: `medsr degrade` for MONAI.

    Args:
        keys: the images.
        slice_spacing_mm: distance between the new slices, mm.
        slice_thickness_mm: width of the profile; the spacing when None.
        profile: gaussian or box.
        axis: the axis to thicken (0, 1, 2 of X, Y, Z).

    The acquisition is put beside each image as `<key>_acquisition`, plain numbers, for
    `UpsampleSlicesd`, which takes it away.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        slice_spacing_mm: float,
        slice_thickness_mm: float | None = None,
        profile: str = "gaussian",
        axis: int = 2,
    ) -> None:
        super().__init__(keys)
        self.slice_spacing_mm = slice_spacing_mm
        self.slice_thickness_mm = slice_thickness_mm
        self.profile = profile
        self.axis = axis

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The images of the keys, degraded."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = result[key]
            spacing = geometry.spacing_mm(np.asarray(image.affine, dtype=np.float64))
            acquisition = plan_degradation(
                tuple(image.shape[1:]),
                [float(s) for s in spacing],
                slice_axis=self.axis,
                slice_spacing_mm=self.slice_spacing_mm,
                slice_thickness_mm=self.slice_thickness_mm,
                profile=self.profile,
            )
            low_mm = [axis.low_mm for axis in acquisition.axes]
            result[key] = _on_grid(acquire(image.as_tensor(), acquisition), image, low_mm)
            result[f"{key}_acquisition"] = asdict(acquisition)
        return result


class UpsampleSlicesd(MapTransform):  # type: ignore[misc]
    """Interpolate degraded [C, X, Y, Z] images back to the fine grid of their acquisition.

    Args:
        keys: the images; each needs `<key>_acquisition` beside it.
        order: of the B-spline, 1 linear or 3 cubic.
    """

    def __init__(self, keys: KeysCollection, *, order: int = 3) -> None:
        super().__init__(keys)
        self.order = order

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """The images of the keys, upsampled."""
        result = dict(data)
        for key in self.key_iterator(result):
            image = result[key]
            a, b, c = (AxisSampling(**axis) for axis in result.pop(f"{key}_acquisition")["axes"])
            acquisition = Acquisition((a, b, c))
            fine_mm = [axis.fine_mm for axis in acquisition.axes]
            upsampled = upsample(image.as_tensor(), acquisition, order=self.order)
            result[key] = _on_grid(upsampled, image, fine_mm)
        return result


def _on_grid(voxels: torch.Tensor, like: MetaTensor, spacing_mm: Sequence[float]) -> MetaTensor:
    affine, _ = geometry.refined_grid(
        np.asarray(like.affine, dtype=np.float64), tuple(like.shape[1:]), spacing_mm
    )
    meta = {name: value for name, value in like.meta.items() if name != "affine"}
    return MetaTensor(voxels, affine=torch.from_numpy(affine), meta=meta)
