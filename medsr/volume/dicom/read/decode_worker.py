"""A worker process that decodes compressed files for `decode_pool`.

It reads requests from its standard input, one a line in JSON: `path`, and the `bytes` and
`seconds` that decoding it may take. To each it writes an ANSWER to its standard output, followed
by the stored numbers, or by the words in which it refuses. What a codec prints goes nowhere. It
ends with its input, or when a file takes too long, whether or not the process that started it
still lives.
"""

from __future__ import annotations

import faulthandler
import json
import os
import struct
import sys
from pathlib import Path

from medsr.errors import InputError, MedsrError, Refused
from medsr.volume.dicom.dataset import parse_quietly
from medsr.volume.dicom.read.decode import decode_compressed
from medsr.volume.worker import limit_memory

__all__ = ["ANSWER", "FAULTS", "MAX_WORDS", "READY", "serve"]

#: What a worker says first, when it has found all that it needs.
READY = b"medsr decodes\n"

#: NumPy's name of the numbers' type, their shape, and the bytes of words: one of both is there.
ANSWER = struct.Struct("<4s3QI")

#: Words are longer than this only when something is wrong with the worker.
MAX_WORDS = 8192

#: Errors that a worker may raise in the process that asked.
FAULTS = {fault.__name__: fault for fault in (InputError, Refused)}


def serve() -> None:
    """Be a worker until there are no more requests."""
    with os.fdopen(os.dup(1), "wb") as answers, parse_quietly():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        answers.write(READY)
        answers.flush()
        for line in sys.stdin.buffer:
            request = json.loads(line)
            limit_memory(request["bytes"])
            faulthandler.dump_traceback_later(request["seconds"], exit=True)
            try:
                pixels = decode_compressed(Path(request["path"]))
            except MedsrError as fault:
                words = json.dumps([type(fault).__name__, str(fault)]).encode()
                answers.write(ANSWER.pack(b"", 0, 0, 0, len(words)) + words)
            else:
                answers.write(ANSWER.pack(pixels.dtype.str.encode(), *pixels.shape, 0))
                answers.write(pixels.tobytes() if not pixels.flags.c_contiguous else pixels.data)
            answers.flush()
            faulthandler.cancel_dump_traceback_later()
