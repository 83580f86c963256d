"""`medsr listen`: a DICOM node that enhances what it receives and forwards the results."""

from __future__ import annotations

import json
import logging
import re
import signal
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from medsr.errors import UsageError
from medsr.extras import need
from medsr.network.device import use_threads
from medsr.node.rules import Rule, load_settings
from medsr.remarks import Meaning
from medsr.restore.choices import Format
from medsr.restore.enhancer import Models
from medsr.results.target import Target
from medsr.results.write import write
from medsr.volume.dicom.read.series import DicomSeries

__all__ = ["ListenRequest", "enhance_received", "run"]

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
    json_log: bool = False


class JsonLines(logging.Formatter):
    """Each record as one line of JSON; see `medsr schema listen`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        facts = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        return json.dumps(facts)


def run(request: ListenRequest) -> None:
    """Listen until SIGINT or SIGTERM.

    Raises:
        KeyboardInterrupt: SIGINT has ended it.
        MedsrError: see the tree in `medsr.errors`.
    """
    need("pynetdicom", "node", "medsr listen")
    from medsr.node.forward import Destination
    from medsr.node.serve import Node, serve, stop_on_signals

    match = re.fullmatch(r"([^@\\]{1,16})@([\w.\-:]+):(\d{1,5})", request.forward)
    if match is None:
        raise UsageError(
            f"--forward {request.forward}: expected AET@HOST:PORT, such as ARCHIVE@10.0.0.5:104."
        )
    settings = load_settings(request.rules)
    settings = settings.model_copy(update={"allow": (*settings.allow, *request.allow)})
    destination = Destination(match[1], match[2], int(match[3]))
    node = Node(request.ae_title, request.host, request.port, destination, request.spool, settings)
    use_threads(request.threads)
    handler = logging.StreamHandler()
    words = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if request.json_log else words)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("medsr.node").setLevel(logging.INFO)
    stop = threading.Event()
    signals = stop_on_signals(stop)
    models = Models(request.device)
    serve(node, lambda series, output, rule: enhance_received(series, output, rule, models), stop)
    if signal.SIGINT in signals:
        raise KeyboardInterrupt  # for the exit code; what stops a service sends SIGTERM


def enhance_received(series: DicomSeries, output: Path, rule: Rule, models: Models) -> None:
    """Enhance one received series; the models stay loaded from series to series.

    Args:
        series: opened by the node.
        output: folder to write.
        rule: that selects the series; its options say what to do.
        models: already loaded.

    Raises:
        MedsrError: the series cannot be enhanced.
    """
    options = replace(rule.options, format=Format.DICOM)
    volume = series.volume()
    enhanced = models.of_scan(volume, options).enhance(volume, options)
    target = Target(output, Format.DICOM, series, options.multi_frame)
    write(target, enhanced)
    for remark in enhanced.remarks:
        level = logging.WARNING if remark.meaning is Meaning.DOUBT else logging.INFO
        log.log(level, "series %s: %s", series.name, remark.text)
