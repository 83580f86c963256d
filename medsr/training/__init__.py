"""Training, calibration and release of weights."""
