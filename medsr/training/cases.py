"""The scans for training and validation: found, prepared once, cached.

A case is one scan of one person. A fine case has real resolution in all three axes; those with
`in_plane_only` are thick clinical scans whose slices alone are sharp.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.config import CaseConfig, DataConfig, TrainConfig
from medsr.errors import InputError
from medsr.training.clean import DENOISING, denoised
from medsr.volume.formats import read
from medsr.volume.modality import Modality
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume

__all__ = [
    "cache_key",
    "load_case",
    "load_cases",
    "load_clean",
    "load_guides",
    "tree_digest",
    "unpack_tar",
]

#: Version of the preparation: raise it when a scan is read or prepared otherwise than before.
PREPARATION = 2

#: Standard deviation of the blur that a removed face fades out by, voxels.
FADE_VOXELS = 5.0

#: An archive of one series is far smaller than this when unpacked.
MAX_UNPACKED_BYTES = 4 * 1024**3


def load_cases(cases: Sequence[CaseConfig], data: DataConfig, modality: Modality) -> list[Volume]:
    """All scans of a list, in its order; see `load_case`."""
    return [load_case(case, data, modality) for case in cases]


def load_case(case: CaseConfig, data: DataConfig, modality: Modality) -> Volume:
    """Read one scan (NIfTI, DICOM folder, or a tar archive of a series) and prepare it.

    Preparation: keep a range of slices, average blocks of voxels, raise voxels to a floor. The
    result is cached under `data.cache`; see `cache_key`.

    Raises:
        InputError: the file is missing or the archive is not safe to unpack.
    """
    source = Path(data.root) / case.path
    if not source.exists():
        raise InputError(
            f"{case.path}: not found in the data folder. Set `data.root=FOLDER` to the "
            "folder that contains the training scans."
        )
    kind: Modality = case.modality or modality
    cached = Path(data.cache) / f"{cache_key(source, case, kind)}.nii"
    if not cached.exists():
        write_nifti(prepare(_read_source(source), case), cached, {"Modality": kind})
    return read(cached)


def load_clean(case: CaseConfig, data: DataConfig, modality: Modality) -> Volume:
    """The scan of `load_case` without its noise, cached beside it; see `clean.denoised`.

    Raises:
        InputError: as `load_case`.
    """
    source = Path(data.root) / case.path
    kind: Modality = case.modality or modality
    cached = Path(data.cache) / f"{cache_key(source, case, kind)}-clean{DENOISING}.nii"
    if not cached.exists():
        noisy = load_case(case, data, modality)
        write_nifti(replace(noisy, voxels=denoised(noisy)), cached, {"Modality": kind})
    return read(cached)


def load_guides(config: TrainConfig) -> list[list[Volume]]:
    """The other contrasts of each training scan's person, prepared as the scan is.

    Empty where no scene gets a guide.

    Raises:
        InputError: as `load_case`, or they are on another grid.
    """
    if not config.draw.guide_chance:
        return []
    return [_guides_of(case, config) for case in config.data.train]


def _guides_of(case: CaseConfig, config: TrainConfig) -> list[Volume]:
    if not case.guides:
        return []
    scans = [case.model_copy(update={"path": path}) for path in (case.path, *case.guides)]
    own, *guides = load_cases(scans, config.data, config.modality)
    for guide in guides:
        if guide.shape != own.shape:
            raise InputError(f"{guide.name}: as a guide it must be on the grid of {case.path}.")
    return guides


def cache_key(source: Path, case: CaseConfig, modality: Modality) -> str:
    """What a prepared scan follows from: the files' content, how it is prepared, by which version.

    Args:
        source: file or folder of the scan; its name and place do not matter.
        case: how it is prepared; who it is and how often it is drawn do not matter.
        modality: of the scan.

    Returns:
        32 hex digits.

    Raises:
        InputError: a file cannot be read.
    """
    prepared = case.model_dump(mode="json", include={"average", "keep", "floor", "defaced"})
    facts = [PREPARATION, modality, prepared, tree_digest(source)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def tree_digest(source: Path) -> str:
    """SHA-256, hex, of a file, or of the names and contents of all files below a folder.

    Raises:
        InputError: a file cannot be read.
    """
    try:
        if source.is_file():
            with source.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        files = sorted(p for p in source.rglob("*") if p.is_file())
        digests = [(p.relative_to(source).as_posix(), tree_digest(p)) for p in files]
    except OSError as fault:
        raise InputError(f"{source.name}: cannot be read ({fault.strerror}).") from None
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def prepare(volume: Volume, case: CaseConfig) -> Volume:
    """Smooth a removed face, keep slices, average, raise to the floor, in this order."""
    voxels, affine = np.asarray(volume.voxels), volume.affine.copy()
    if case.defaced:
        voxels = without_cut(voxels)
    first, last = (round(part * voxels.shape[2]) for part in case.keep)
    voxels = voxels[:, :, first:last]
    affine[:3, 3] += affine[:3, 2] * first
    blocks = np.asarray(case.average)
    if (blocks > 1).any():
        shape = np.floor(np.asarray(voxels.shape) / blocks + 1e-9)
        axes = [
            AxisSampling(math.ceil(n * b - 1e-9), 1.0, int(n), float(b), float(b), "box")
            for n, b in zip(shape, blocks, strict=True)
        ]
        a, b, c = (axis.fine_count for axis in axes)
        fine = torch.from_numpy(np.array(voxels[:a, :b, :c]))
        voxels = acquire(fine, Acquisition((axes[0], axes[1], axes[2]))).numpy()
        affine[:3, 3] += affine[:3, :3] @ ((blocks - 1) / 2)
        affine[:3, :3] *= blocks
    if case.floor is not None:
        voxels = np.maximum(voxels, np.float32(case.floor))
    return Volume(
        voxels=voxels, affine=affine, modality=volume.modality, unit=volume.unit, name=volume.name
    )


def without_cut(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A defaced scan whose removed part fades out instead of ending at a cut.

    The part is the largest connected region of exact zeros. It gets the average of the voxels
    around it, which falls to zero with the distance: without edges, it teaches none.

    Args:
        voxels: [X, Y, Z].
    """
    regions, _ = ndimage.label(voxels == 0)
    sizes = np.bincount(regions.ravel())
    sizes[0] = 0
    removed = regions == sizes.argmax()
    if not sizes.any():
        return voxels
    kept = ndimage.gaussian_filter((~removed).astype(np.float32), FADE_VOXELS)
    blurred = ndimage.gaussian_filter(np.where(removed, 0, voxels), FADE_VOXELS)
    return np.where(removed, blurred / np.maximum(kept, 0.5), voxels).astype(np.float32)


def _read_source(source: Path) -> Volume:
    if not tarfile.is_tarfile(source) if source.is_file() else True:
        return read(source)
    with tempfile.TemporaryDirectory() as folder:
        unpack_tar(source, Path(folder))
        return read(folder)


def unpack_tar(source: Path, folder: Path) -> None:
    """Write the regular files of a tar archive below a folder; links and devices stay packed.

    (`TarFile.extractall(filter="data")` came with Python 3.11.4; 3.11.2 is still about.)

    Raises:
        InputError: it unpacks to more than 4 GiB, or a path points outside of it.
    """
    with tarfile.open(source) as archive:
        members = [m for m in archive.getmembers() if m.isfile()]
        if sum(m.size for m in members) > MAX_UNPACKED_BYTES:
            raise InputError(
                f"{source.name}: would unpack to more than 4 GiB. Unpack it yourself and give "
                "the folder."
            )
        paths = [PurePosixPath(m.name) for m in members]
        if any(path.is_absolute() or ".." in path.parts for path in paths):
            raise InputError(
                f"{source.name}: contains a path that points outside the archive, so it was "
                "not unpacked."
            )
        for member, path in zip(members, paths, strict=True):
            content = archive.extractfile(member)
            if content is None:  # cannot be: it is a regular file
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as sink:
                shutil.copyfileobj(content, sink)
