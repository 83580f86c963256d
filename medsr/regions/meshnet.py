"""MeshNet: a plain stack of dilated 3-D convolutions that gives each voxel its region.

    x_0 = the image; x_k = f_k(w_k * x_{k-1} + b_k), dilated by d_k; region = argmax of the last x

A. Fedorov et al., *End-to-end learning of brain tissue segmentation from imperfect labeling*,
IJCNN 2017 (arXiv:1612.00940). There is no downsampling, so that a layer needs its input and its
output at full size: 8 C N bytes for C channels and N voxels, 2 GB for 21 channels and a whole
head. The last layer, which has a channel a region, is computed plane by plane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["ACTIVATIONS", "Layer", "label_voxels"]

#: After a convolution, in place; by the names of Keras.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "elu": functional.elu_,
    "relu": functional.relu_,
}

#: Planes of the last layer that are computed at once.
PLANES = 8


@dataclass(frozen=True, eq=False)
class Layer:
    """One convolution and what follows it.

    Attributes:
        weight: [out, in, k, k, k], k odd; bias: [out].
        dilation: distance between the weights, voxels.
        activation: a key of `ACTIVATIONS`.
    """

    weight: Tensor
    bias: Tensor
    dilation: int
    activation: str

    def __call__(self, x: Tensor) -> Tensor:
        """[1, in, X, Y, Z] -> [1, out, X, Y, Z]; zeros are around the image."""
        padding = self.dilation * (self.weight.shape[-1] // 2)
        x = functional.conv3d(x, self.weight, self.bias, padding=padding, dilation=self.dilation)
        return ACTIVATIONS[self.activation](x)


def label_voxels(layers: tuple[Layer, ...], image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The most probable region of each voxel.

    Args:
        layers: the network, the last with a channel a region and a kernel of 1 voxel.
        image: [X, Y, Z] in 0..1.

    Returns:
        [X, Y, Z], the channel of the last layer that is largest.
    """
    *body, last = layers
    with torch.inference_mode():
        x = torch.from_numpy(np.ascontiguousarray(image))[None, None]
        x = x.to(memory_format=torch.channels_last_3d)
        for layer in body:
            x = layer(x)
        parts = [last(x[:, :, k : k + PLANES]).argmax(1)[0] for k in range(0, x.shape[2], PLANES)]
    return torch.cat(parts).numpy().astype(np.uint8)
