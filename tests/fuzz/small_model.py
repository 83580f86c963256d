"""A tiny model, for cards that fit it and cards that do not."""

import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path

from medsr.network.checkpoint import save_model
from tests.network.test_unet_and_checkpoint import card, small_denoiser

FOLDER = Path(tempfile.gettempdir()) / f"medsr-fuzz-model-{os.getpid()}"


@lru_cache
def weights() -> Path:
    """Its weights, made once before the workers are forked."""
    path = FOLDER / "small.safetensors"
    save_model(small_denoiser(), card(), path)
    return path


CARD = json.loads(weights().with_suffix(".json").read_text())
