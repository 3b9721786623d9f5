"""The wires between replicas and primaries: a proxy with one port for each ordered pair of nodes.

A replica that is to follow a node is told the port of the pair. So every connection says whose it
is, and can be cut at once or after so many bytes (within a transaction, within a snapshot), by FIN
or by RST; be stalled; or be half-open: one side is closed, and the other is not told.

The proxy also reads what is asked and answered at the beginning of each connection, and so counts
attempts, partial and full syncs of all nodes across their restarts.

One thread moves all bytes; the lock protects what other threads ask of it.
"""

import select
import socket
import struct
import threading
import time
from collections import deque

CHUNK = 64 * 1024
BUFFER_MAX = 256 * 1024
# A conversation before the stream is short; what is longer is not looked at.
OPENING_MAX = 8 * 1024
# The thread looks around 20 times a second. Where it could not for so long, the machine stood still
# or was overloaded, and time-outs of the servers are no fault of theirs.
PAUSE_SECONDS = 1.5
WINDOW_SECONDS = 5


class Wire:
    """One connection of a replica (`down` is the way to it) and ours to its primary."""

    def __init__(self, pair, below, above):
        self.pair, self.below, self.above = pair, below, above
        self.down, self.up = bytearray(), bytearray()
        self.ends = False  # close once everything is written
        self.half_open_until = None
        self.opening_up, self.opening_down = bytearray(), bytearray()
        self.asked = self.answer = None

    def sides(self):
        """The sockets that are still open."""
        return [side for side in (self.below, self.above) if side]


class Pair:
    """Replica `child`, primary `parent`, and what happens to bytes between them."""

    def __init__(self, child, parent, port):
        self.child, self.parent, self.port = child, parent, port
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.setblocking(False)
        self.wires = []
        self.stalled = False
        self.refused = False
        self.rate, self.allowance = None, 0.0  # bytes a second on the way down, and left of them
        self.cut_down = self.cut_up = self.cut_snapshot = None  # bytes until the cut
        self.rudely = False  # by RST
        self.attempts = deque()

    @property
    def name(self):
        """Such as `n2<n0`: n2 follows n0."""
        return f"{self.child.name}<{self.parent.name}"


class Sync:
    """How one connection to a primary began."""

    def __init__(self, pair, asked, answer):
        self.at = time.monotonic()
        self.pair, self.asked, self.answer = pair, asked, answer

    @property
    def kind(self):
        """`partial`, `full`, or `refused`."""
        word = self.answer.split()[0]
        return {"+CONTINUE": "partial", "+FULLRESYNC": "full"}.get(word, "refused")


class Proxy:
    """All pairs of `nodes`, from port `base` on."""

    def __init__(self, nodes, base, diary):
        self.diary = diary
        self.lock = threading.RLock()
        self.pairs = {}
        for child in nodes:
            for parent in nodes:
                port = base + child.number * len(nodes) + parent.number
                if child is not parent:
                    self.pairs[child.number, parent.number] = Pair(child, parent, port)
        self.syncs = []
        self.pauses = 0  # longer than PAUSE_SECONDS
        self.attempts_most = (0, "")  # within WINDOW_SECONDS, and of which pair
        self.awake, self.waker = socket.socketpair()
        self.closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    # --- what events ask for ---

    def pair(self, child, parent):
        """The pair of two nodes."""
        return self.pairs[child.number, parent.number]

    def cut(self, pair, rudely):
        """Closes all connections of a pair now. Returns how many there were."""
        with self.lock:
            cut = list(pair.wires)
            for wire in cut:
                self.drop(wire, rudely)
            return len(cut)

    def cut_after(self, pair, rudely, down=None, up=None, snapshot=None):
        """Closes after so many bytes more, or after so many of the next snapshot."""
        with self.lock:
            pair.cut_down, pair.cut_up, pair.cut_snapshot = down, up, snapshot
            pair.rudely = rudely

    def stall(self, pair, stalled):
        """Moves no byte, and closes nothing."""
        with self.lock:
            pair.stalled = stalled
        self.wake()

    def slow(self, pair, rate):
        """Lets so many bytes a second down; None is no limit."""
        with self.lock:
            pair.rate, pair.allowance = rate, 0.0

    def refuse(self, pair, refused):
        """Closes all connections and every new one, as where no way leads to the primary."""
        with self.lock:
            pair.refused = refused
        if refused:
            self.cut(pair, True)

    def half_open(self, pair, seconds, close_below):
        """Closes one side only; the other stays open, silent, for a while."""
        with self.lock:
            for wire in pair.wires:
                if wire.half_open_until is None:
                    side = wire.below if close_below else wire.above
                    close(side, False)
                    wire.below, wire.above = (
                        (None, wire.above) if close_below else (wire.below, None)
                    )
                    wire.half_open_until = time.monotonic() + seconds
        self.wake()

    def heal(self):
        """Forgets all that was arranged, and closes what is half-open."""
        with self.lock:
            for pair in self.pairs.values():
                pair.stalled = pair.refused = False
                pair.rate = None
                pair.cut_down = pair.cut_up = pair.cut_snapshot = None
                for wire in [wire for wire in pair.wires if wire.half_open_until]:
                    self.drop(wire, False)
        self.wake()

    def is_clear(self, pair):
        """Whether bytes of a pair travel, and both ends know what the other knows."""
        with self.lock:
            return not pair.stalled and all(not wire.half_open_until for wire in pair.wires)

    def has_stream(self, pair):
        """Whether a connection of a pair is open, and was answered."""
        with self.lock:
            return any(wire.answer and not wire.half_open_until for wire in pair.wires)

    def take_syncs(self):
        """How connections began since the last call."""
        with self.lock:
            taken, self.syncs = self.syncs, []
            return taken

    def take_attempts(self):
        """The most attempts of one pair within WINDOW_SECONDS since the last call, and which."""
        with self.lock:
            taken, self.attempts_most = self.attempts_most, (0, "")
            return taken

    def take_pauses(self):
        """How often the machine stood still since the last call."""
        with self.lock:
            taken, self.pauses = self.pauses, 0
            return taken

    def close(self):
        """Ends the thread and closes all sockets."""
        self.closing = True
        self.wake()
        self.thread.join()

    # --- the thread ---

    def wake(self):
        self.waker.send(b".")

    def run(self):
        looked = time.monotonic()
        while not self.closing:
            now = time.monotonic()
            if now - looked > PAUSE_SECONDS:
                self.diary.note(f"everything stood still for {now - looked:.1f} s")
                self.pauses += 1
            self.refill(now - looked)
            looked = now
            with self.lock:
                reads, writes = self.interest()
            ready, writable, _ = select.select(list(reads) + [self.awake], list(writes), [], 0.05)
            with self.lock:
                if self.awake in ready:
                    self.awake.recv(4096)
                for side in ready:
                    if side in reads and side.fileno() >= 0:
                        reads[side]()
                for side in writable:
                    if side.fileno() >= 0:
                        writes[side]()
                self.end_half_open()
            # Small pieces gather: the proxy is not to take a processor for itself.
            time.sleep(0.001)
        for pair in self.pairs.values():
            pair.listener.close()
            for wire in list(pair.wires):
                self.drop(wire, False)

    def refill(self, seconds):
        with self.lock:
            for pair in self.pairs.values():
                if pair.rate:
                    # At most what a twentieth of a second allows: no burst after a pause.
                    more = pair.allowance + seconds * pair.rate
                    pair.allowance = min(more, max(1.0, pair.rate / 20))

    def interest(self):
        """Which sockets to read and write, and what to do then."""
        reads, writes = {}, {}
        for pair in self.pairs.values():
            reads[pair.listener] = lambda pair=pair: self.accept(pair)
            if pair.stalled:
                continue
            for wire in pair.wires:
                if wire.half_open_until:
                    continue
                slowed = pair.rate and pair.allowance < 1
                if not wire.ends and not slowed and len(wire.down) < BUFFER_MAX:
                    reads[wire.above] = lambda wire=wire: self.read_above(wire)
                if not wire.ends and len(wire.up) < BUFFER_MAX:
                    reads[wire.below] = lambda wire=wire: self.read_below(wire)
                if wire.down:
                    writes[wire.below] = lambda wire=wire: self.write(wire, wire.below, wire.down)
                if wire.up:
                    writes[wire.above] = lambda wire=wire: self.write(wire, wire.above, wire.up)
        return reads, writes

    def accept(self, pair):
        try:
            below, _ = pair.listener.accept()
        except OSError:
            return
        now = time.monotonic()
        pair.attempts.append(now)
        while pair.attempts[0] < now - WINDOW_SECONDS:
            pair.attempts.popleft()
        self.attempts_most = max(self.attempts_most, (len(pair.attempts), pair.name))
        if pair.refused:
            close(below, True)
            return
        try:
            above = socket.create_connection(("127.0.0.1", pair.parent.port), timeout=1)
        except OSError:
            close(below, True)
            return
        for side in (below, above):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            side.setblocking(False)
        pair.wires.append(Wire(pair, below, above))

    def read_above(self, wire):
        pair = wire.pair
        data = self.receive(wire, wire.above, int(pair.allowance) if pair.rate else CHUNK)
        pair.allowance -= len(data)
        if data and wire.answer is None:
            self.read_answer(wire, data)
        if data and pair.cut_down is not None:
            data = data[: pair.cut_down]
            pair.cut_down -= len(data)
            if pair.cut_down == 0:
                pair.cut_down = None
                self.diary.note(f"  cut {pair.name} as arranged, on the way down", show=False)
                wire.ends = True
        wire.down += data
        self.end_if_written(wire)

    def read_below(self, wire):
        data = self.receive(wire, wire.below, CHUNK)
        if data and wire.answer is None and len(wire.opening_up) < OPENING_MAX:
            wire.opening_up += data
        pair = wire.pair
        if data and pair.cut_up is not None:
            data = data[: pair.cut_up]
            pair.cut_up -= len(data)
            if pair.cut_up == 0:
                pair.cut_up = None
                self.diary.note(f"  cut {pair.name} as arranged, on the way up", show=False)
                wire.ends = True
        wire.up += data
        self.end_if_written(wire)

    def receive(self, wire, side, most):
        try:
            data = side.recv(min(most, CHUNK))
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            wire.ends = True
        return data

    def read_answer(self, wire, data):
        """Looks for the answer to PSYNC among the first lines."""
        wire.opening_down += data[:OPENING_MAX]
        for line in bytes(wire.opening_down).split(b"\r\n")[:-1]:
            line = line.strip().decode(errors="replace")
            if line.startswith(("+CONTINUE", "+FULLRESYNC", "-NOMASTERLINK", "-LOADING")):
                self.answered(wire, line)
                break
            if line.startswith("+RDBCHANNELSYNC"):
                wire.answer = line  # Redis 8: the snapshot has a connection of its own, which counts
                break
        else:
            if len(wire.opening_down) > OPENING_MAX:
                wire.answer = "-"

    def answered(self, wire, line):
        _, psync, asked = wire.opening_up.rpartition(b"PSYNC\r\n")
        words = asked.split(b"\r\n")[1::2][:2] if psync else []
        wire.asked = " ".join(word.decode(errors="replace") for word in words)
        wire.answer = line
        sync = Sync(wire.pair, wire.asked or "(not yet)", line)
        self.syncs.append(sync)
        asked, answer = shortened(sync.asked), shortened(line)[:60]
        self.diary.note(f"  {wire.pair.name} PSYNC {asked} is answered {answer}", show=False)
        pair = wire.pair
        if sync.kind == "full" and pair.cut_snapshot is not None:
            pair.cut_down, pair.cut_snapshot = pair.cut_snapshot, None

    def write(self, wire, side, buffer):
        try:
            sent = side.send(buffer[: 4 * CHUNK])
        except BlockingIOError:
            return
        except OSError:
            self.drop(wire, wire.pair.rudely)
            return
        del buffer[:sent]
        self.end_if_written(wire)

    def end_if_written(self, wire):
        if wire.ends and not wire.down and not wire.up:
            self.drop(wire, wire.pair.rudely)

    def end_half_open(self):
        now = time.monotonic()
        for pair in self.pairs.values():
            for wire in list(pair.wires):
                if wire.half_open_until and wire.half_open_until < now:
                    self.drop(wire, False)

    def drop(self, wire, rudely):
        for side in wire.sides():
            close(side, rudely)
        wire.below = wire.above = None
        if wire in wire.pair.wires:
            wire.pair.wires.remove(wire)


def shortened(text):
    """With names of histories cut short."""
    return " ".join(word[:8] + "…" if len(word) == 40 else word for word in text.split())


def close(side, rudely):
    """Closes a socket; by RST if `rudely`, so that the other side gets an error."""
    if side is None:
        return
    try:
        if rudely:
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.close()
    except OSError:
        pass
