"""Whose CPU a run took: seconds by group of processes, from /proc (Linux)."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
GROUPS = {"granian": "web", "postgres": "PostgreSQL", "celery": "worker and beat"}
SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU so far, by group, of each web worker, and of everything on this machine."""

    groups: dict[str, float]
    web_workers: dict[int, float]
    machine: float

    def since(self, earlier: "Usage") -> "Usage":
        return Usage(
            {name: seconds - earlier.groups.get(name, 0.0) for name, seconds in self.groups.items()},
            {pid: seconds - earlier.web_workers.get(pid, 0.0) for pid, seconds in self.web_workers.items()},
            self.machine - earlier.machine,
        )


def usage(supervisor: int) -> Usage:
    """CPU of the instance that process `supervisor` runs.

    A process that ended counts with whoever waited for it, so nothing is lost when a backend comes and goes.
    """
    processes = read_processes()
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    _, own, _ = processes[supervisor]
    groups = dict.fromkeys(GROUPS.values(), 0.0) | {SUPERVISOR: own}
    web_workers = {}
    for root in children.get(supervisor, []):
        name = group_of(root)
        if name == "web":
            web_workers = {pid: processes[pid][1] for pid in children.get(root, [])}
        below = [root]
        while below:
            pid = below.pop()
            _, own, waited_for = processes[pid]
            groups[name] = groups.get(name, 0.0) + own + waited_for
            below += children.get(pid, [])
    return Usage(groups, web_workers, machine_seconds())


def machine_seconds() -> float:
    """CPU seconds of all cores since boot that were not idle; what a hypervisor took for others counts."""
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


def read_processes() -> dict[int, tuple[int, float, float]]:
    """{pid: (parent, CPU seconds of its own, those of ended children)} of every process."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        user, system, children_user, children_system = (int(ticks) / TICKS for ticks in fields[11:15])
        found[int(folder.name)] = (int(fields[1]), user + system, children_user + children_system)
    return found


def group_of(pid: int) -> str:
    command = command_of(pid)
    return next((name for word, name in GROUPS.items() if word in command), SUPERVISOR)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def web_options(supervisor: int) -> str:
    """The options of the web server that decide how much it does at once."""
    for pid, (parent, _, _) in read_processes().items():
        words = command_of(pid).split()
        if parent == supervisor and "granian" in words:
            return " ".join(words[words.index("granian") + 1 : -1])
    return "none"
