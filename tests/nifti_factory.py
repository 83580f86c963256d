"""Small NIfTI files, sound or broken in one place."""

import nibabel
import numpy as np

#: 1.5 x 1.5 x 5 mm, left-handed as scanners store it.
AFFINE = np.array([[-1.5, 0, 0, 35], [0, -1.5, 0, 30], [0, 0, 5, -20], [0, 0, 0, 1.0]])


def noisy_head(shape=(16, 14, 6), seed=0):
    """[X, Y, Z] 0 to about 900: a bright block with noise."""
    values = np.abs(np.random.default_rng(seed).normal(600, 100, shape))
    values[:3] = np.abs(np.random.default_rng(seed + 1).normal(0, 5, values[:3].shape))
    return values


def nifti_file(path, values=None, *, affine=AFFINE, dtype=np.int16, sform=1, qform=1, **fields):
    """Write a file whose header has the given fields as they are, checked by nobody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = noisy_head() if values is None else values
    image = nibabel.Nifti1Image(np.asarray(values).astype(dtype), affine)
    image.set_sform(affine, sform)
    image.set_qform(affine, qform)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    if fields:
        content = bytearray(path.read_bytes())
        header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
        for name, value in fields.items():
            header[name] = value
        content[:348] = header.binaryblock
        path.write_bytes(content)
    return path
