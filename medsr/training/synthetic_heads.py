"""Synthetic heads: random contrasts painted on label maps of real ones.

The generative model of SynthSeg (Billot et al. 2023, Med Image Anal 86:102789, arXiv:2107.09559,
section 3.2): a label map is turned, scaled and deformed; each class gets a random brightness with
a smooth texture; borders are blurred. Bias field, gamma and the scanner's degradation follow for
all training scenes alike (`scenes`). Only the block of a scene is made, not the whole head.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch import Tensor

from medsr.errors import InputError
from medsr.volume.formats import read

__all__ = ["head_block", "load_label_maps"]

#: Structures of the right half of the head -> the same ones of the left (FreeSurfer's numbers):
#: both halves are alike.
MIRRORED = {
    **dict(zip(range(41, 48), range(2, 9), strict=True)),
    **dict(zip(range(49, 53), range(10, 14), strict=True)),
    **{53: 17, 54: 18, 57: 25, 58: 26, 60: 28, 62: 30, 137: 136, 164: 163},
}

#: Radians; scale of the anatomy; voxels that the deformation moves by, and between its knots.
TURN, SCALE, MOVE, KNOTS = 0.25, (0.8, 1.15), 4.0, 32

#: Standard deviation of a class's texture, over the brightest class; of the texture's smoothing
#: and of the blur of the whole, voxels.
TEXTURE, SMOOTH, BLUR = 0.06, (0.6, 1.5), (0.4, 0.9)


def load_label_maps(folder: Path) -> list[Tensor]:
    """The label maps below a folder: [X, Y, Z] uint8, 0 is air, both halves of the head alike.

    Raises:
        InputError: there is none.
    """
    files = sorted(folder.glob("*.nii.gz"))
    if not files:
        raise InputError(
            f"{folder.name}: contains no label map (*.nii.gz). Set `data.synthetic.folder` to the "
            "folder of the label maps, below `data.root`."
        )
    return [torch.from_numpy(_classes(np.asarray(read(file).voxels))) for file in files]


def _classes(labels: NDArray[np.float32]) -> NDArray[np.uint8]:
    numbers = np.rint(labels).astype(np.int32)
    for right, left in MIRRORED.items():
        numbers[numbers == right] = left
    _, places = np.unique(np.append(0, numbers.ravel()), return_inverse=True)
    return places[1:].reshape(labels.shape).astype(np.uint8)


def head_block(labels: Tensor, shape: Sequence[int], rng: np.random.Generator) -> Tensor:
    """A block of a synthetic head in a random orientation and contrast.

    Args:
        labels: of a whole head, [X, Y, Z] uint8, from `load_label_maps`.
        shape: of the block, voxels as large as those of the labels.
        rng: the only source of randomness.

    Returns:
        [*shape] float32; air is 0, the brightest class about 1.
    """
    classes = _deformed(labels.numpy(), shape, rng)
    count = int(labels.max()) + 1
    means, spreads = rng.uniform(0.05, 1.0, count), rng.uniform(0, TEXTURE, count)
    means[0] = spreads[0] = 0.0
    texture = _smooth(rng.normal(size=tuple(shape)).astype(np.float32), rng.uniform(*SMOOTH))
    painted = means[classes] + spreads[classes] * texture / max(float(texture.std()), 1e-6)
    block = _smooth(painted.astype(np.float32), rng.uniform(*BLUR))
    return torch.from_numpy(np.maximum(block, 0))


def _deformed(
    labels: NDArray[np.uint8], shape: Sequence[int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Labels at the voxels of a block: turned, scaled and deformed, around a voxel of the head."""
    axes = rng.permutation(3)
    small = Rotation.from_euler("XYZ", rng.uniform(-TURN, TURN, 3)).as_matrix()
    turned = np.eye(3)[:, axes] * rng.choice([-1, 1], 3)
    matrix = small @ turned / rng.uniform(*SCALE, 3)
    grid = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in shape], indexing="ij"))
    knots = [max(2, round(n / KNOTS) + 1) for n in shape]
    coarse = torch.from_numpy(rng.uniform(-MOVE, MOVE, (1, 3, *knots)))
    moves = torch.nn.functional.interpolate(
        coarse, size=tuple(shape), mode="trilinear", align_corners=True
    )
    places = np.tensordot(matrix, grid, axes=1) + moves[0].numpy()
    places += _voxel_of_head(labels, rng).reshape(3, 1, 1, 1)
    index = np.rint(places).astype(np.int64)
    inside = np.ones(tuple(shape), dtype=bool)
    for k, size in enumerate(labels.shape):
        inside &= (index[k] >= 0) & (index[k] < size)
        index[k] = index[k].clip(0, size - 1)
    return np.where(inside, labels[index[0], index[1], index[2]], np.uint8(0))


def _voxel_of_head(labels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int64]:
    """The first of 64 random voxels that is no air."""
    places = np.stack([rng.integers(n, size=64) for n in labels.shape], axis=1)
    return np.asarray(places[int((labels[tuple(places.T)] > 0).argmax())])


def _smooth(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_filter(image, sigma))
