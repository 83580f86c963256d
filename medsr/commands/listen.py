"""`medsr listen`: a DICOM node that enhances what it receives and sends it on."""

from __future__ import annotations

import logging
import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import torch

from medsr.commands.enhance import Request
from medsr.commands.enhance import run as enhance
from medsr.errors import UsageError
from medsr.extras import need
from medsr.node.rules import Rule, load_settings
from medsr.restore.enhancer import Models

__all__ = ["ListenRequest", "run"]

log = logging.getLogger("medsr.node")


@dataclass(frozen=True)
class ListenRequest:
    """One call of `medsr listen`, in the command line's words."""

    ae_title: str
    port: int
    forward: str
    rules: Path | None
    allow: tuple[str, ...]
    spool: Path
    host: str = "127.0.0.1"
    device: str = "auto"
    threads: int = 0


def run(request: ListenRequest) -> None:
    """Listen until SIGINT or SIGTERM.

    Raises:
        MedsrError: see the tree in `medsr.errors`.
    """
    need("pynetdicom", "node", "medsr listen")
    from medsr.node.forward import Destination
    from medsr.node.serve import Node, serve

    match = re.fullmatch(r"([^@\\]{1,16})@([\w.\-:]+):(\d{1,5})", request.forward)
    if match is None:
        raise UsageError(
            f"--forward {request.forward}: expected AET@HOST:PORT, such as ARCHIVE@10.0.0.5:104."
        )
    settings = load_settings(request.rules)
    settings = settings.model_copy(update={"allow": (*settings.allow, *request.allow)})
    destination = Destination(match[1], match[2], int(match[3]))
    node = Node(request.ae_title, request.host, request.port, destination, request.spool, settings)
    if request.threads:
        torch.set_num_threads(request.threads)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("medsr.node").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    models = Models(request.device)
    serve(node, lambda source, output, rule: _one(source, output, rule, models), stop)


def _one(source: Path, output: Path, rule: Rule, models: Models) -> None:
    """Enhance one received series; the models stay loaded from series to series."""
    facts = enhance(Request(source=source, output=output, options=rule.options), models=models)
    for remark in facts["Remarks"]:
        log.info("series %s: %s", source.parent.name, remark)
