"""What happened when: one line an event, and the logs of all nodes merged with them by time."""

import calendar
import pathlib
import re
import threading
import time

# `1234:S 20 Nov 2026 14:03:12.345 * text`, in UTC, as Redis and we log it.
LOGGED = re.compile(r"^\d+:(\w) (\d+) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{3}) (.*)$")
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def logged_at(line):
    """The unix time of a line of a node's log, and the rest of it. None for any other line."""
    found = LOGGED.match(line)
    if not found or found[3] not in MONTHS:
        return None
    month = MONTHS.index(found[3]) + 1
    moment = (int(found[4]), month, int(found[2]), int(found[5]), int(found[6]), int(found[7]))
    return calendar.timegm(moment) + int(found[8]) / 1000, f"{found[1]} {found[9]}"


class Diary:
    """Lines with their time. Any thread may write."""

    def __init__(self, path, echo):
        self.started = time.monotonic()
        self.lines = []
        self.path, self.echo = path, echo
        self.file = open(path, "w", encoding="utf-8", buffering=1)
        self.lock = threading.Lock()

    def note(self, text, show=True):
        """Writes a line; also to standard output if `show` and the tool is verbose."""
        with self.lock:
            now = time.time()
            self.lines.append((now, text))
            self.file.write(f"{now:.3f} {text}\n")
        if show and self.echo:
            print(f"{time.monotonic() - self.started:8.3f} s  {text}", flush=True)

    def merged(self, nodes):
        """All lines of this diary and of the nodes' logs, in order of time."""
        with self.lock:
            lines = [(at, 0, f"-- {text}") for at, text in self.lines]
        for node in nodes:
            at = 0.0
            for number, line in enumerate(read_lines(node.log), 1):
                known = logged_at(line)
                # A line without a time (a panic, say) belongs to the one before it.
                at, line = known if known else (at, line)
                lines.append((at, number, f"{node.name} {line}"))
        lines.sort(key=lambda line: line[0])
        return [f"{clock_text(at)} {text}" for at, _, text in lines]

    def close(self):
        """Closes the file."""
        self.file.close()


def clock_text(at):
    """A unix time as hours, minutes, seconds and milliseconds, in UTC."""
    ms = int(at * 1000)
    return time.strftime("%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}"


def read_lines(path):
    """The lines of a log; none if it is not there."""
    path = pathlib.Path(path)
    return path.read_text(errors="replace").splitlines() if path.exists() else []
