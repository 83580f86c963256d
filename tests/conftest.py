import numpy as np
import pytest

from medsr.volume.volume import Volume


def smooth_head(shape=(24, 28, 32), seed=0):
    """An ellipsoid with smooth texture: bright inside, zero outside. [X, Y, Z] float32."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = (grid**2).sum(axis=0) < 0.8
    waves = sum(
        np.sin(np.tensordot(rng.normal(0, 6, 3), grid, axes=1) + rng.uniform(0, 6))
        for _ in range(6)
    )
    return (inside * (100 + 15 * waves)).astype(np.float32)


@pytest.fixture
def phantom():
    """A thick-slice scan: 1 x 1 x 4 mm, axial, MR."""
    return Volume(
        voxels=smooth_head((24, 28, 8)),
        affine=np.diag([1.0, 1.0, 4.0, 1.0]),
        modality="MR",
        slice_axis=2,
        slice_thickness_mm=4.0,
        name="phantom",
    )
