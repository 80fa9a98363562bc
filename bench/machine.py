"""What the operating system tells about a process and the disk: CPU time, memory, flush time."""

import os
from pathlib import Path
from statistics import median
from time import perf_counter

PROBES = 200


def cpu_s(pid: int) -> float | None:
    """User and system CPU seconds of a process with all its threads; None without /proc."""
    try:
        # The second field is the program's name in brackets and may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float | None:
    """Resident memory of a process in MB (10^6 bytes); None without /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(kib) * 1024 / 1e6


def only_child(pid: int) -> int:
    """Return the one child of a process (a program run under a tracer); Linux only."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    (child,) = children
    return int(child)


def flush_ms(folder: Path) -> float:
    """Median milliseconds of writing and flushing 4 KB: near zero, the folder is not a disk."""
    took_ms: list[float] = []
    with (folder / "flush-probe").open("wb", buffering=0) as file:
        for _ in range(PROBES):
            start_s = perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took_ms.append((perf_counter() - start_s) * 1_000)
    return median(took_ms)
