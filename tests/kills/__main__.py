"""Kill long commands on kept work, start them again, and compare what they write.

    python -m tests.kills FOLDER [JOB ...]

Every job, or those that are named and what they read, runs once to its end, in FOLDER/base. Then
each that is named is killed several times, each time in a folder of its own, as soon as some work
of it is kept: by SIGKILL, every third time by SIGTERM. Five seconds later no process of it may be
left; the same command must go on, and end in the same bytes. What was done is in FOLDER/kills.json:
the same command goes on there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from tests.kills.jobs import CLI, JOBS, PREPARED, Job

_MARK = "REWORLD_KILLED_RUN"
_POLL_S, _ORPHAN_S = 0.02, 5.0
_ROOT = Path(__file__).parents[2]


def main(folder: Path, names: list[str]) -> int:
    """Run what is not yet recorded; 0 where all held, SystemExit where there is no such job."""
    unknown = set(names) - {job.name for job in JOBS}
    if unknown:
        raise SystemExit(f"no job {', '.join(sorted(unknown))}: {', '.join(j.name for j in JOBS)}")
    base, file = folder / "base", folder / "kills.json"
    base.mkdir(parents=True, exist_ok=True)
    records: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    for made, words in PREPARED.items():
        if not (base / made).exists():
            run([*CLI, *(word.format(base=base) for word in words)], base)
    read = " ".join(word for job in JOBS if job.name in names for word in job.arguments)
    for job in JOBS:
        if names and job.name not in names and f"{{base}}/{job.name}/" not in read:
            continue
        whole = base / job.name.replace(" ", "_")
        if not (whole / "done").is_file():
            shutil.rmtree(whole, ignore_errors=True)
            run(job.command(base, whole), whole)
            (whole / "done").touch()
        for number in range(job.kills if not names or job.name in names else 0):
            key = f"{job.name} {number}"
            if key not in records:
                records[key] = kill_once(job, base, whole, folder / "killed", number)
                file.write_text(json.dumps(records, indent=1))
                print(key, json.dumps(records[key]), flush=True)
    bad = [key for key, record in records.items() if not record["held"]]
    print(f"{len(records)} kills, {len(records) - len(bad)} held; not: {', '.join(bad) or 'none'}")
    return 1 if bad else 0


def kill_once(job: Job, base: Path, whole: Path, out: Path, number: int) -> dict[str, Any]:
    """Kill a job once, go on, compare; what happened."""
    command, by = job.command(base, out), signal.SIGTERM if number % 3 == 2 else signal.SIGKILL
    for events in range(1 + number % 3, 0, -1):  # one that ends before is killed sooner
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        code, said, left = start_and_kill(command, out, job, events, by)
        if code != 0:
            break
    kept = len(list(out.glob(job.kept)))
    again = run(command, out, check=False)
    different = differences(job, whole, out)
    ended = (143 if by == signal.SIGTERM else -signal.SIGKILL) == code
    told = by == signal.SIGKILL or ("terminated: " in said and "Traceback" not in said)
    held = ended and told and not left and kept > 0 and again == 0 and not different
    return {
        "held": held,
        "signal": by.name,
        "code": code,
        "kept": kept,
        "orphans": left,
        "again": again,
        "different": different,
        **({} if held else {"said": said[-500:]}),
    }


def environment(mark: str = "") -> dict[str, str]:
    """One thread, so that sums have one order; and a mark that children inherit."""
    path = os.pathsep.join(one for one in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if one)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, _MARK: mark}


def run(command: list[str], out: Path, check: bool = True) -> int:
    """Run to the end; the exit code. What it says is in `out`/log."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log").open("ab") as log:
        done = subprocess.run(command, env=environment(), stdout=log, stderr=log, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed with {done.returncode}: {out / 'log'}")
    return done.returncode


def start_and_kill(
    command: list[str], out: Path, job: Job, events: int, by: signal.Signals
) -> tuple[int, str, int]:
    """Kill when work was kept so many times; exit code, what it said, processes left."""
    mark = uuid.uuid4().hex
    with (out / "log").open("w+b") as log:
        process = subprocess.Popen(command, env=environment(mark), stdout=log, stderr=log)
        seen: set[tuple[str, int]] = set()
        while process.poll() is None and len(seen) < events:
            seen |= {(str(path), path.stat().st_mtime_ns) for path in _there(out, job.kept)}
            time.sleep(_POLL_S)
        process.send_signal(by)
        code = process.wait()
        end = time.monotonic() + _ORPHAN_S
        while _marked(mark) and time.monotonic() < end:
            time.sleep(0.05)
        log.seek(0)
        return code, log.read().decode("utf-8", "replace"), len(_marked(mark))


def _there(out: Path, pattern: str) -> list[Path]:
    return [path for path in out.glob(pattern) if path.exists()]


def _marked(mark: str) -> list[int]:
    """Processes that have the mark, but for zombies, which nobody has waited for."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def differences(job: Job, whole: Path, out: Path) -> list[str]:
    """Result files that are not in both folders, or not the same byte for byte."""
    files = [
        {path.relative_to(folder) for pattern in job.results for path in folder.glob(pattern)}
        for folder in (whole, out)
    ]
    if not files[0]:
        return ["no results at all"]
    one_only = files[0] ^ files[1]
    both = files[0] & files[1]
    other = {name for name in both if _content(whole / name) != _content(out / name)}
    return sorted(str(name) for name in one_only | other)


def _content(path: Path) -> Any:
    """Bytes; of safetensors those of its tensors and its header, whose entries have no order."""
    content = path.read_bytes()
    if path.suffix != ".safetensors":
        return content
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
