"""A process that reads one MetaImage or NRRD file with SimpleITK for `itk`, and may die of it.

It takes one request in JSON from its standard input and answers with a line of JSON: what the
header says, or null where ITK cannot read it. The stored numbers follow where they are asked for.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from typing import Any

from medsr.volume.worker import limit_memory

__all__ = ["serve"]


def serve() -> None:
    """Answer one request: `path`, `reader` (an ImageIO of ITK), `voxels`, `bytes`, `seconds`."""
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what ITK prints is no answer
        request = json.loads(sys.stdin.readline())
        limit_memory(request["bytes"])
        faulthandler.dump_traceback_later(request["seconds"], exit=True)
        try:
            facts, voxels = _read(request)
        except (RuntimeError, MemoryError):  # the one error of SimpleITK
            facts, voxels = None, None
        answers.write(json.dumps(facts).encode() + b"\n")
        if voxels is not None:
            answers.write(voxels)


def _read(request: dict[str, Any]) -> tuple[dict[str, Any], memoryview | None]:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(request["path"])
    reader.SetImageIO(request["reader"])
    reader.ReadImageInformation()
    facts = {
        "shape": reader.GetSize(),
        "spacing": reader.GetSpacing(),
        "origin": reader.GetOrigin(),
        "direction": reader.GetDirection(),
        "components": reader.GetNumberOfComponents(),
        "type": SimpleITK.GetPixelIDValueAsString(reader.GetPixelIDValue()),
    }
    if not request["voxels"]:
        return facts, None
    return facts, SimpleITK.GetArrayFromImage(reader.Execute()).data
