#!/usr/bin/env python-real
"""3D Slicer runs this module: it calls `medsr enhance` and passes on its progress and result.

Slicer's Python may be older than the one that medsr needs, so this file uses only the standard
library of Python 3.9. medsr is the one in Slicer's Python if it is installed there, otherwise
the command `medsr` of another environment. MedsrEnhance.xml describes the parameters.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

#: Parameter of the module -> option of `medsr enhance`.
OPTIONS = {
    "modality": "--modality",
    "slice_thickness_mm": "--slice-thickness",
    "spacing_mm": "--spacing",
    "consistency": "--consistency",
    "sample": "--sample",
    "seed": "--seed",
    "model": "--model",
    "force": "--force",
}

#: What Slicer sets for its own Python and libraries, and another Python must not have.
OF_SLICER = (
    *("PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH"),
    *("DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"),
)

#: How the name of every volume that is written ends.
ENDING = ".nii.gz"

#: Seconds that medsr has to end after a cancellation.
PATIENCE_S = 10

MISSING = (
    "medsr is not installed in Slicer's Python, and there is no command medsr. Install medsr "
    "(docs/how-to/slicer.md), or give the path of the command as 'medsr command'."
)


class Cancelled(Exception):
    """Slicer or a person has stopped the module; the argument is the number of the signal."""


def main(arguments=None):
    """Run the module; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if "--xml" in words:
        print(Path(__file__).with_suffix(".xml").read_text(encoding="utf-8"), end="")
        return 0
    given = parser().parse_args(words)
    volumes = [given.enhanced, *([given.interval] if given.interval else [])]
    wrong = [path.name for path in volumes if not path.name.endswith(ENDING)]
    if wrong:
        print(f"{wrong[0]}: the name of a result must end in {ENDING}.", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, cancel)
    try:
        with tempfile.TemporaryDirectory(prefix=".medsr-", dir=given.enhanced.parent) as folder:
            return enhance(given, Path(folder))
    except Cancelled as stop:
        print("Stopped. No volume was written.", file=sys.stderr)
        return 128 + stop.args[0]
    except OSError as fault:
        print(f"medsr cannot be started, or its result not be written: {fault}", file=sys.stderr)
        return 5


def parser():
    """The command line that Slicer uses: flags, then the input and the output volume."""
    made = argparse.ArgumentParser(description="medsr: thin slices from a thick-slice volume.")
    made.add_argument("--xml", action="store_true", help="print the description and stop")
    made.add_argument("--returnparameterfile", type=Path, help="where to write simple results")
    made.add_argument("--processinformationaddress", help="not used: for modules in C++")
    for name in OPTIONS:
        if name in {"sample", "force"}:
            made.add_argument(f"--{name}", action="store_true")
        else:
            made.add_argument(f"--{name}")
    made.add_argument("--interval", type=Path, help="volume for the 90 %% interval")
    made.add_argument("--command", default="", help="path of the command medsr")
    made.add_argument("scan", type=Path)
    made.add_argument("enhanced", type=Path)
    return made


def cancel(number, _frame):
    """End what runs; a second signal changes nothing."""
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise Cancelled(number)


def enhance(given, folder):
    """Enhance into a folder and move the volumes to their places; returns the exit code."""
    program, environment = medsr(given.command)
    if not program:
        print(MISSING, file=sys.stderr)
        return 2
    image, record = folder / f"enhanced{ENDING}", folder / "result.json"
    words = ["enhance", str(given.scan), "-o", str(image), "--json", "--progress-json"]
    code, said = run([*program, *words, *options(given)], environment, record)
    if code:
        print(fault_of(said), file=sys.stderr)
        return code
    facts = json.loads(record.read_text(encoding="utf-8"))
    if given.interval:
        os.replace(folder / f"enhanced_interval90{ENDING}", given.interval)
    os.replace(image, given.enhanced)
    report(facts, given.returnparameterfile)
    return 0


def medsr(command):
    """The words that start medsr, and its environment; no words where it is not installed."""
    if not command and importlib.util.find_spec("medsr"):
        return [sys.executable, "-m", "medsr"], dict(os.environ)
    other = {name: value for name, value in os.environ.items() if name not in OF_SLICER}
    found = shutil.which(command or "medsr")
    return ([found] if found else []), other


def options(given):
    """The options of `medsr enhance` that were chosen in Slicer."""
    words = ["--interval"] if given.interval else []
    for name, flag in OPTIONS.items():
        value = getattr(given, name)
        if value is True:
            words.append(flag)
        elif not is_automatic(value):
            words += [flag, value]
    return words


def is_automatic(value):
    """Whether a value leaves the choice to medsr: none, 0, "" and "automatic" do."""
    try:
        return float(value or 0) == 0
    except ValueError:
        return value == "automatic"


def run(command, environment, record):
    """Run medsr, its result into a file and its progress to Slicer; exit code and other lines."""
    began, others = time.monotonic(), []
    say("<filter-start><filter-name>medsr</filter-name>")
    say("<filter-comment>Enhancing the volume</filter-comment></filter-start>")
    with open(record, "wb") as out:
        child = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.PIPE)
    try:
        for line in child.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            share = as_json(text).get("progress")
            if share is None:
                others.append(text)
            else:
                say(f"<filter-progress>{share}</filter-progress>")
        code = child.wait()
    except Cancelled:
        stop(child)
        raise
    seconds = time.monotonic() - began
    say("<filter-end><filter-name>medsr</filter-name>")
    say(f"<filter-time>{seconds:.1f}</filter-time></filter-end>")
    return code, others


def stop(child):
    """End medsr as Ctrl+C does, so that it removes what it has begun to write."""
    if os.name == "posix":
        child.send_signal(signal.SIGINT)
    else:
        child.terminate()
    try:
        child.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()


def fault_of(lines):
    """The sentence of medsr's error, or all that it said where there is none."""
    error = as_json(lines[-1]).get("error") if lines else None
    return error["message"] if error else "\n".join(lines)


def as_json(line):
    """The object of a line of JSON; an empty one of any other line."""
    try:
        page = json.loads(line)
    except ValueError:
        return {}
    return page if isinstance(page, dict) else {}


def report(facts, results):
    """Print what was done and the remarks; for Slicer's panel also into its file of results."""
    before, after = (
        " x ".join(f"{mm:.3g}" for mm in facts[key]) for key in ("InputSpacing", "OutputSpacing")
    )
    how = "posterior mean" if facts["Steps"] == 1 else f"sample of {facts['Steps']} steps"
    summary = f"{before} mm to {after} mm: {how} of {facts['Model']}. Not for diagnosis."
    remarks = [f"{one['Meaning']}: {one['Text']}" for one in facts["Remarks"]]
    say("\n".join([summary, *remarks]))
    if results:
        remarks = " ".join(remarks) or "none"
        results.write_text(f"summary = {summary}\nremarks = {remarks}\n", encoding="utf-8")


def say(text):
    """A line for Slicer, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
