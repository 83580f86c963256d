"""A real Orthanc on loopback, with its own folder and ports, for the length of a test."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.dicom_tools import program


@dataclass(frozen=True)
class Server:
    """Where it listens: C-STORE, C-FIND and C-GET at `dicom`, REST at `http`."""

    dicom: int
    http: int

    def get(self, path):
        """The JSON at a REST path."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=30) as answer:
            return json.load(answer)


def arrivals(server: Server) -> dict[str, int]:
    """Instance -> the number of the change that it came with; a repetition gets a new number."""
    changes = server.get("/changes?limit=10000")["Changes"]
    return {one["ID"]: one["Seq"] for one in changes if one["ChangeType"] == "NewInstance"}


def free_port():
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    """Whether somebody listens at a port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(check, seconds=120.0, every=0.1):
    """The first true answer of `check`, or a failure after some seconds."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(every)
    return found


@contextmanager
def orthanc(folder: Path, *, dicom: int | None = None, modalities: dict | None = None):
    """Start Orthanc and stop it at the end.

    Args:
        folder: for its storage and log; kept, so that it may be started again.
        dicom: its DICOM port; a free one by default.
        modalities: name -> [AE title, host, port] that it may send to.
    """
    folder.mkdir(exist_ok=True)
    server = Server(dicom or free_port(), free_port())
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": server.http,
        "DicomPort": server.dicom,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowFind": True,
        "DicomModalities": modalities or {},
        "DicomTlsEnabled": False,
        "OverwriteInstances": True,  # so that each C-STORE leaves a change, a repeated one too
        "Plugins": [],
        "StableAge": 1,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(["Orthanc", folder / "orthanc.json"], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(server))
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _answers(server):
    try:
        return server.get("/system")
    except (urllib.error.URLError, ConnectionError):
        return None


def send(folder: Path, port: int, *, called="ORTHANC", calling="STORESCU") -> int:
    """C-STORE all files of a folder with DCMTK; the exit status."""
    command = [
        program("storescu"),
        "-aet",
        calling,
        "-aec",
        called,
        "--scan-directories",
        "--recurse",
    ]
    run = subprocess.run(
        [*command, "127.0.0.1", str(port), folder], capture_output=True, timeout=120
    )
    return run.returncode


def fetch(folder: Path, port: int, series_uid: str) -> None:
    """C-GET one series with DCMTK."""
    folder.mkdir()
    keys = ["-k", "QueryRetrieveLevel=SERIES", "-k", f"SeriesInstanceUID={series_uid}"]
    command = [
        program("getscu"),
        "-aec",
        "ORTHANC",
        "-S",
        "-od",
        folder,
        *keys,
        "127.0.0.1",
        str(port),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
