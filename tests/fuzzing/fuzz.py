"""Feeds damaged files to every reader: ``PYTHONPATH=tests python -m fuzzing.fuzz --cases 1000``.

Each case must load or end in an S2HandError of one line, within a time limit. An audit hook sees every
process started, every connection and every file opened for writing: none may be outside the case's folder.
Readers run in this process, so a crash of the interpreter ends it; start it from another one.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from fuzzing.targets import TARGETS, Target

from s2hand.errors import S2HandError

SECONDS_PER_CASE, WAITED_SECONDS_PER_CASE = 20, 120
"""Of this process's own time, and by the clock on the wall, which also runs while others have the machine."""

MEMORY_BYTES = 3 << 30
"""Address space that reading may take on top of what the libraries have mapped."""

KIB = 1024
"""Unit of ``ru_maxrss`` on Linux."""

FORBIDDEN_EVENTS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect")
REMOVALS = ("os.remove", "os.rmdir", "os.rename", "os.mkdir", "shutil.rmtree", "shutil.move")


class Watch:
    """Notes what the case at hand must not do. Audit hooks stay for good; this one rests between cases."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple) -> None:
        if self.folder is None:
            return
        if event in FORBIDDEN_EVENTS:
            self.seen.append(f"{event} {arguments}")
        elif event == "open" and _writes(arguments) and not self._is_inside(arguments[0]):
            self.seen.append(f"writes {arguments[0]}")
        elif event in REMOVALS and not self._is_inside(arguments[0]):
            self.seen.append(f"{event} {arguments[0]}")

    def _is_inside(self, path: object) -> bool:
        return isinstance(path, int) or os.path.realpath(os.fsdecode(path)).startswith(self.folder)


def _writes(arguments: tuple) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


class HangError(BaseException):
    """A case took too long; no reader can mistake it for a damaged file."""


class TimeLimit:
    """A context that raises ``HangError`` once, by whichever clock is first; never after its end."""

    def __enter__(self) -> None:
        self.is_armed = True
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, self._end)
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE)
        signal.setitimer(signal.ITIMER_REAL, WAITED_SECONDS_PER_CASE)

    def __exit__(self, *exc_info: object) -> None:
        self.is_armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _end(self, number: int, frame: object) -> None:
        # Both clocks may run out at once; the second signal then finds the first one answered.
        if self.is_armed:
            self.is_armed = False
            raise HangError


def run_case(target: Target, folder: Path, content: bytes, watch: Watch) -> str:
    """Reads damaged ``content`` in place of the sound file.

    Returns:
        "loaded", "refused", or what went wrong.
    """
    path = folder / target.file
    path.write_bytes(content)
    before = {entry.name for entry in folder.iterdir()}
    watch.folder, watch.seen = os.path.realpath(folder), []
    try:
        with TimeLimit():
            target.read(path)
        outcome = "loaded"
    except S2HandError as error:
        lines = str(error).splitlines()
        outcome = "refused" if len(lines) == 1 else f"message of {len(lines)} lines: {error}"
    except HangError:
        outcome = "took too long"
    except BaseException as error:
        outcome = f"raised {type(error).__name__}: {error}"
    finally:
        watch.folder = None
    if watch.seen:
        outcome = f"did {watch.seen[0]}"
    if extra := {entry.name for entry in folder.iterdir()} - before:
        outcome = f"left {sorted(extra)}"
    return outcome


def run_target(name: str, cases: int, seed: int, watch: Watch) -> tuple[Counter, list[dict], float]:
    """Damages and reads one kind of file many times.

    Returns:
        How often each outcome came, the failures, and the seconds of the slowest case by this process's time.
    """
    target, failures, outcomes, slowest = TARGETS[name], [], Counter(), 0.0
    folder = Path(tempfile.mkdtemp(prefix="s2hand_fuzz_"))
    home = os.getcwd()
    try:
        target.write(folder / target.file)
        sound = (folder / target.file).read_bytes()
        os.chdir(folder)  # what a payload leaves behind is found here
        if (outcome := run_case(target, folder, sound, watch)) != "loaded":
            failures.append({"target": name, "case": None, "seed": seed, "outcome": f"sound, but {outcome}"})
        for case in range(cases):
            random = np.random.default_rng((seed, zlib.crc32(name.encode()), case))
            mutate = target.mutators[case % len(target.mutators)]
            content = mutate(sound, random)
            start = time.process_time()
            outcome = run_case(target, folder, content, watch)
            slowest = max(slowest, time.process_time() - start)
            outcomes[outcome if outcome in ("loaded", "refused") else "failed"] += 1
            if outcome not in ("loaded", "refused"):
                failures.append({"target": name, "case": case, "seed": seed, "outcome": outcome[:500]})
    finally:
        os.chdir(home)
        shutil.rmtree(folder)
    return outcomes, failures, slowest


def limit_memory() -> None:
    """Keeps a forged size from taking the machine's memory: allocations beyond the limit fail."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000, help="damaged files of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TARGETS, nargs="+", default=list(TARGETS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    limit_memory()
    watch, failures = Watch(), []
    for name in options.only:
        start = time.perf_counter()
        outcomes, failed, slowest = run_target(name, options.cases, options.seed, watch)
        failures += failed
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB / 1e9
        print(
            f"{name}: {counts}, {time.perf_counter() - start:.1f} s, slowest case {slowest:.2f} s, "
            f"largest memory so far {peak_gb:.2f} GB",
            flush=True,
        )
    for failure in failures:
        print(json.dumps(failure))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
