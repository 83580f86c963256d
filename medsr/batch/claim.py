"""Atomic claims, so that two runs on one folder do not process a scan twice.

A claim is a file `KEY.N` in `OUT/.medsr`, made by a hard link (O_CREAT | O_EXCL where the disk has
none), which is atomic on local disks and on NFS 3 and later. Its holder touches it now and then.
A claim is void when its holder is known to be dead (same machine, no such process), when the same
run asks again (its engine says that the worker is lost), or when it has not been touched for the
age limit. Nobody removes or renames the claim of another: a void `KEY.N` is followed by `KEY.N+1`,
which again only one can make. The holder of the highest N owns the scan and removes all of them in
the end.

Ages are differences of two times of the file server, so clocks need not agree.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from medsr.errors import OutputError

__all__ = ["Claim", "acquire", "beating", "claimed_keys", "is_mine", "release"]

#: Touches within one age limit.
BEATS = 6

#: A claim without a name was cut off while it was written, which takes far less, s.
NAMELESS_S = 10.0


@dataclass(frozen=True)
class Claim:
    """A scan that this process owns; `losses` counts the holders that this run has lost to it."""

    folder: Path
    key: str
    number: int
    losses: int

    @property
    def path(self) -> Path:
        """The claim's file."""
        return self.folder / f"{self.key}.{self.number}"


def acquire(folder: Path, key: str, run: str, max_age_s: float) -> Claim | None:
    """Claim a scan; None when another process holds it.

    Args:
        folder: of the claims; made when absent.
        key: of the scan.
        run: names this run; its own earlier claims are void, for only a retry asks again.
        max_age_s: a claim that was not touched for so long is void.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = _numbers(folder, key)
        holder = _holder(folder / f"{key}.{numbers[-1]}") if numbers else {}
        if numbers and not _is_void(folder / f"{key}.{numbers[-1]}", holder, run, max_age_s):
            return None
        losses = sum(_holder(folder / f"{key}.{n}").get("run") == run for n in numbers)
        claim = Claim(folder, key, numbers[-1] + 1 if numbers else 0, losses)
        _make(claim.path, json.dumps({**_me(), "run": run}))
    except FileExistsError:
        return None
    except FileNotFoundError:  # another run has just tidied the empty folder away
        return acquire(folder, key, run, max_age_s)
    except OSError as fault:
        raise OutputError(
            f"the output folder cannot be written ({fault.strerror}). Free some space, or "
            "choose another folder."
        ) from None
    return claim


def _make(path: Path, words: str) -> None:
    """Make a claim that has its name from the first moment: written aside, then linked.

    A process killed between making and naming a file would leave one that is believed for
    `NAMELESS_S`. Where the disk knows no links or is full, that remains.

    Raises:
        OSError: FileExistsError where somebody was faster.
    """
    key = path.name.partition(".")[0]
    aside = path.with_name(f"{key}.{os.getpid()}-{threading.get_ident()}.claim")
    try:
        aside.write_text(words, encoding="utf-8")
        os.link(aside, path)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        with os.fdopen(handle, "w", encoding="utf-8") as stream, suppress(OSError):
            stream.write(words)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def is_mine(claim: Claim) -> bool:
    """Whether this process still owns the scan; another run may have taken it over."""
    return _numbers(claim.folder, claim.key)[-1:] == [claim.number]


def release(claim: Claim) -> None:
    """Release the scan: every claim up to this one is removed, the oldest first."""
    for number in _numbers(claim.folder, claim.key):
        if number <= claim.number:
            (claim.folder / f"{claim.key}.{number}").unlink(missing_ok=True)


@contextmanager
def beating(claim: Claim, max_age_s: float) -> Iterator[None]:
    """Touch the claim now and then while the work goes on."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(max_age_s / BEATS):
            with suppress(OSError):
                os.utime(claim.path)

    thread = threading.Thread(target=beat, name="medsr-claim", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def claimed_keys(folder: Path) -> set[str]:
    """The keys that have a claim, alive or not."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return {entry.name.partition(".")[0] for entry in entries} - {""}
    return set()


def _numbers(folder: Path, key: str) -> list[int]:
    with os.scandir(folder) as entries:
        names = [entry.name.partition(".") for entry in entries]
    return sorted(int(n) for one, _, n in names if one == key and n.isdigit())


def _holder(path: Path) -> dict[str, Any]:
    """Who made a claim; empty while it is being written."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _is_void(path: Path, holder: dict[str, Any], run: str, max_age_s: float) -> bool:
    me = _me()
    if holder.get("run") == run:
        return True
    if holder and all(holder.get(key) == me[key] for key in ("host", "boot", "space")):
        return not _is_alive(int(holder["pid"]), float(holder["started"]))
    limit = max_age_s if holder else min(max_age_s, NAMELESS_S)
    try:
        return _now(path.parent) - path.stat().st_mtime > limit
    except FileNotFoundError:
        return False  # just given back; the next run will see


def _now(folder: Path) -> float:
    """The file server's time, s: it stamps the folder."""
    os.utime(folder)
    return float(folder.stat().st_mtime)


def _me() -> dict[str, Any]:
    """This process: machine, boot, space of process numbers, number, and when it started."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    return {
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() if boot.exists() else str(int(psutil.boot_time())),
        "space": os.readlink(space) if space.exists() else "",
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }


def _is_alive(pid: int, started: float) -> bool:
    """A dead process whose parent has not asked for its end (a zombie) works on nothing."""
    try:
        process = psutil.Process(pid)
        same = bool(abs(process.create_time() - started) < 1.0)
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
