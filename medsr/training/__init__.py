"""How weights are learned, calibrated and released; Lightning around the denoising loss."""
