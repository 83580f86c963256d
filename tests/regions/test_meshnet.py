"""The network against loops, and planes against the whole."""

import numpy as np
import torch

from medsr.regions.meshnet import PLANES, Layer, label_voxels


def layer(weight, bias, dilation, activation="linear"):
    return Layer(torch.tensor(weight), torch.tensor(bias), dilation, activation)


def test_a_dilated_layer_is_the_sum_that_it_says():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 6, 7)).astype(np.float32)
    w = rng.standard_normal((2, 1, 3, 3, 3)).astype(np.float32)
    b = np.array([0.3, -0.2], np.float32)
    found = layer(w, b, 2, "relu")(torch.from_numpy(x)[None, None])[0].numpy()
    padded = np.pad(x, 2)
    for c in range(2):
        expected = np.full(x.shape, b[c])
        for i, j, k in np.ndindex(3, 3, 3):
            part = padded[2 * i :, 2 * j :, 2 * k :][: x.shape[0], : x.shape[1], : x.shape[2]]
            expected = expected + w[c, 0, i, j, k] * part
        np.testing.assert_allclose(found[c], np.maximum(expected, 0), atol=1e-5)


def test_labels_are_the_largest_channel_over_more_planes_than_are_done_at_once():
    rng = np.random.default_rng(1)
    image = rng.random((2 * PLANES + 3, 5, 4)).astype(np.float32)
    identity = np.zeros((1, 1, 3, 3, 3), np.float32)
    identity[0, 0, 1, 1, 1] = 1
    last = np.array([0.0, 1.0, 2.0], np.float32).reshape(3, 1, 1, 1, 1)
    bias = np.array([0.0, -0.25, -1.0], np.float32)
    layers = (layer(identity, np.zeros(1, np.float32), 1, "elu"), layer(last, bias, 1))
    np.testing.assert_array_equal(label_voxels(layers, image), np.digitize(image, [0.25, 0.75]))
