"""What must hold: all the time (Watch), once everything is healed (Checks), and in the logs."""

import re
import threading
import time

from . import Failure
from .diary import logged_at, read_lines
from .node import Connection, ErrorReply
from .topology import read_ledger
from .writers import DATABASES

SETTLE_LIMIT_SECONDS = 90
EQUAL_LIMIT_SECONDS = 20
LOOK_SECONDS = 0.5
# A node has so many looks in a row to forget a history that its primary does not have.
LOOKS_MAX = 5
# Data of a run takes some 30 MB; four replicas may be 32 MB behind each.
MEMORY_MAX = 320 << 20
# What one node may take beyond another that holds the same, its backlog apart.
MEMORY_EXCESS = 64 << 20
DESCRIPTORS_MAX = 80
# Of one link within proxy.WINDOW_SECONDS: what was connected comes back at once, an attempt that
# failed is followed by the next a second later.
ATTEMPTS_MAX = 30
# Of a processor, by a node that has nothing to do. A rewrite or a DEBUG build takes much less.
IDLE_SHARE_MAX = 0.6
PARTIAL_PER_BREAK = 3
FULL_PER_LINK = 1
# Warnings that cuts, kills and pauses explain.
EXPECTED_WARNINGS = re.compile(
    r"closed by the other side|I/O error|MASTER timeout|Timeout connecting|Error condition on sock"
    r"|currently unable to PSYNC|CLIENT KILL|Background transfer error|Killing running child|Killing it!"
    r"|User requested shutdown|ready to exit|when shutting down|DB reloaded by DEBUG RELOAD"
    r"|fsync is taking too long"
    r"|terminated by signal|output buffer limits|Disconnecting timedout replica"
    r"|short read while loading the AOF|AOF loaded anyway|AOF was enabled but|Timeout writing"
    r"|Error writing to MASTER|LOADING|NOMASTERLINK|[Ww]arning: |WARNING|user request"
    r"|Connection (with|lost)|Failed to read response|Truncating the AOF|Error reply to PSYNC"
    r"|Failed trying to load the MASTER|rename replication|Diskless rdb transfer"
    r"|was neither loaded nor written by this process"
)


class Watch:
    """Looks at all nodes twice a second: memory, and data of histories that were given up."""

    def __init__(self, tree):
        self.tree = tree
        self.failure = None
        self.memory_most = {}
        self.suspect = {node: 0 for node in tree.nodes}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(LOOK_SECONDS):
            try:
                self.look()
            except Failure as failure:
                self.failure = failure
            except Exception as error:  # noqa: BLE001 -- the run has to hear of it
                self.failure = Failure(f"while watching: {error!r}")

    def end(self):
        """Ends the thread."""
        self.ended.set()
        self.thread.join()

    def look(self):
        """One look at all nodes. What changed in the tree meanwhile makes it void."""
        tree = self.tree
        with tree.lock:
            version = tree.version
            nodes = [node for node in tree.nodes if node.answers]
        seen = {}
        for node in nodes:
            try:
                info = node.info(timeout=1)
                seen[node] = info, read_ledger(node, timeout=1)
            except (OSError, ErrorReply):
                continue
            used = int(info["used_memory"])
            self.memory_most[node] = max(used, self.memory_most.get(node, 0))
            if used > MEMORY_MAX:
                raise Failure(f"{node.name} takes {used >> 20} MB of memory")
        with tree.lock:
            for node in tree.nodes:
                looks_right = (
                    version != tree.version
                    or any(other not in seen for other in [node] + tree.ancestors(node))
                    or self.is_behind(node, seen)
                )
                discarded = None if looks_right else self.discarded(seen[node][1])
                self.suspect[node] = self.suspect[node] + 1 if discarded else 0
                if self.suspect[node] == LOOKS_MAX:
                    raise Failure(f"{node.name}, its link up, has discarded history: {discarded}")

    def is_behind(self, node, seen):
        """Whether there is a reason why a node need not have what the primary has."""
        chain = [node] + self.tree.ancestors(node)
        links = zip(chain, chain[1:])
        return chain[-1] is not self.tree.primary or any(
            seen[child][0].get("master_link_status") != "up"
            or not self.tree.proxy.is_clear(self.tree.proxy.pair(child, parent))
            for child, parent in links
        )

    def discarded(self, ledger):
        """What of a ledger does not belong to the history that lasts."""
        ledger = dict(ledger)
        ledger.pop("epoch", None)
        return {
            writer: (epoch, n)
            for writer, (epoch, n) in ledger.items()
            if not self.tree.is_valid(writer, epoch, n)
        }


class Checks:
    """What is compared once links are healed and writers rest."""

    def __init__(self, tree, events, diary):
        self.tree, self.events, self.diary = tree, events, diary
        self.totals = {"partial": 0, "full": 0, "refused": 0}
        self.read_of_log = {node: 0 for node in tree.nodes}

    def all(self):
        """Everything, in the order of what explains most."""
        self.settle()
        self.compare()
        self.marks()
        self.syncs()
        self.sizes()
        self.logs()

    # --- the same data everywhere ---

    def settle(self):
        """Waits until all links are up and all offsets equal."""
        started = time.monotonic()
        while reason := self.unsettled():
            if time.monotonic() - started > SETTLE_LIMIT_SECONDS:
                raise Failure(f"not settled after {SETTLE_LIMIT_SECONDS} s of calm: {reason}")
            self.events.observe()
            time.sleep(0.05)
        self.diary.note(f"settled after {time.monotonic() - started:.1f} s")

    def unsettled(self):
        """Why not yet; None if all is well."""
        tree = self.tree
        try:
            infos = {node: node.info() for node in tree.nodes}
            again = tree.primary.info()
        except (OSError, ErrorReply) as error:
            return f"INFO: {error}"
        for pair in tree.links():
            # Servers need a moment to see a cut.
            if not tree.proxy.has_stream(pair):
                return f"nothing connects {pair.name}"
        offset = infos[tree.primary]["master_repl_offset"]
        for node, info in infos.items():
            role = "master" if node is tree.primary else "slave"
            if info["role"] != role:
                return f"{node.name} is a {info['role']}"
            if role == "slave" and info["master_link_status"] != "up":
                return f"the link of {node.name} to {tree.parent[node].name} is down"
            if info["master_repl_offset"] != offset:
                return f"{node.name} is at {info['master_repl_offset']}, the primary at {offset}"
            if int(info["connected_slaves"]) != len(tree.children(node)):
                return f"{node.name} counts {info['connected_slaves']} replicas"
        if again["master_repl_offset"] != offset:
            return f"the primary goes on from {offset}"
        return None

    def compare(self):
        """Waits until what has a short time to live is gone, and compares all data."""
        self.wait_for_expiry()
        started = time.monotonic()
        while True:
            try:
                digests = {node: node.call("DEBUG", "DIGEST") for node in self.tree.nodes}
                sizes = {node: dbsizes(node) for node in self.tree.nodes}
            except (OSError, ErrorReply) as error:
                self.diary.note(f"while comparing: {error}")
                digests, sizes = {}, {}
            if len(set(digests.values())) == 1 and len(set(sizes.values())) == 1:
                break
            if time.monotonic() - started > EQUAL_LIMIT_SECONDS:
                self.tell_differences(digests, sizes)
            self.events.observe()
            time.sleep(0.1)
        if reason := self.unsettled():
            self.settle()
            self.diary.note(f"settled again: {reason}")
        digest = digests[self.tree.primary].decode()
        self.diary.note(f"all equal: {sizes[self.tree.primary]} keys, {digest}")
        return digest

    def wait_for_expiry(self):
        """Waits until keys with a short time to live are gone. Nobody has work to do meanwhile."""
        started = time.monotonic()
        used = {node: node.processor_seconds() for node in self.tree.nodes}
        while left := count_keys(self.tree.primary, "short:*"):
            if time.monotonic() - started > EQUAL_LIMIT_SECONDS:
                raise Failure(f"{left} keys should have expired on {self.tree.primary.name}")
            self.events.observe()
            time.sleep(0.1)
        seconds = time.monotonic() - started
        for node in self.tree.nodes:
            took = node.processor_seconds() - used[node]
            if seconds > 1 and took > IDLE_SHARE_MAX * seconds:
                raise Failure(f"{node.name} took {took:.1f} s of processor time in {seconds:.1f} s "
                              "without work")  # fmt: skip

    def tell_differences(self, digests, sizes):
        primary = self.tree.primary
        told = []
        for node in self.tree.nodes:
            if digests and (digests[node], sizes[node]) != (digests[primary], sizes[primary]):
                told.append(
                    f"{node.name} (follows {self.tree.parent[node].name}) differs from "
                    f"{primary.name}: {sizes[node]} keys against {sizes[primary]}"
                )
                told += ["  " + line for line in differences(primary, node)]
        raise Failure("data differs, all links up, all offsets equal\n" + "\n".join(told))

    def marks(self):
        """No marked write of a discarded history is there, in any database."""
        connection = Connection(self.tree.primary.port)
        found = 0
        for db in range(DATABASES):
            connection.call("SELECT", db)
            for key in scan(connection, "mark:*"):
                writer, epoch, n = (int(part) for part in key.split(b":")[1:])
                found += 1
                if not self.tree.is_valid(writer, epoch, n):
                    raise Failure(f"{key.decode()} in database {db} is of a discarded history")
        connection.close()
        self.diary.note(f"{found} marked writes, all of the history that lasts")

    # --- no storms, no growth ---

    def syncs(self):
        """Partial and full syncs are few beside what was broken."""
        nodes = len(self.tree.nodes)
        events = self.events
        pauses = self.tree.proxy.take_pauses()
        breaks, links = events.breaks + pauses * nodes, events.disturbed + pauses * nodes
        events.breaks = events.disturbed = 0
        syncs = self.tree.proxy.take_syncs()
        kinds = [sync.kind for sync in syncs]
        partial, full, refused = (kinds.count(kind) for kind in ("partial", "full", "refused"))
        most, pair = self.tree.proxy.take_attempts()
        for sync in syncs:
            self.count(sync)
        text = (
            f"{partial} partial and {full} full syncs, {refused} refused, after {breaks} breaks of "
            f"at most {links} links; at most {most} attempts in 5 s ({pair})"
        )
        self.diary.note(text)
        if (
            partial > PARTIAL_PER_BREAK * breaks
            or full > FULL_PER_LINK * links
            or most > ATTEMPTS_MAX
        ):
            raise Failure(f"too many syncs or attempts: {text}")

    def count(self, sync):
        """Notes a sync for the summary."""
        self.totals[sync.kind] += 1

    def sizes(self):
        """Nobody takes much more memory than another with the same data, or keeps sockets open."""
        infos = {node: node.info() for node in self.tree.nodes}
        used = {node: int(info["used_memory"]) for node, info in infos.items()}
        for node, info in infos.items():
            least = min(used[other] for other in used if other.binary == node.binary)
            backlog = int(info.get("repl_backlog_size", 0))
            if used[node] > 1.5 * least + backlog + MEMORY_EXCESS:
                raise Failure(f"{node.name} takes {used[node]} bytes, another node {least}")
            if node.descriptors() > DESCRIPTORS_MAX:
                raise Failure(f"{node.name} has {node.descriptors()} descriptors open")

    def logs(self):
        """No warning that nothing here explains."""
        for node in self.tree.nodes:
            lines = read_lines(node.log)
            new, self.read_of_log[node] = lines[self.read_of_log[node] :], len(lines)
            for line in new:
                known = logged_at(line)
                warning = node.is_ours and known and known[1][2:].startswith("#")
                if "panicked" in line or (warning and not EXPECTED_WARNINGS.search(line)):
                    raise Failure(f"in the log of {node.name}: {line}")

    # --- files ---

    def files(self, digest):
        """Each node, killed and started alone on its own files, has the data it had."""
        nodes = self.tree.nodes
        for node in nodes:
            self.to_disk(node)
        for node in nodes:
            self.tree.kill(node)
        for node in nodes:
            kind = "append-only file" if node.options["appendonly"] == "yes" else "snapshot"
            node.start()
            found = node.call("DEBUG", "DIGEST").decode()
            if found != digest:
                other = nodes[node is nodes[0]]
                if not other.is_up:
                    other.start()
                raise Failure("\n".join([
                    f"{node.name}, restarted from its {kind}, has other data than before"
                    f" ({found}, not {digest}); {other.name}, restarted, is the measure here:",
                    *differences(other, node),
                ]))  # fmt: skip
        self.diary.note("each node restarted from its own files has the same data")

    def to_disk(self, node):
        """Waits until all data of a node is on its disk, in whichever form it keeps it."""
        end = time.monotonic() + EQUAL_LIMIT_SECONDS
        wants = (
            "aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress",
            "aof_buffer_length", "aof_pending_bio_fsync",
        )  # fmt: skip
        while time.monotonic() < end:
            info = node.info()
            if all(info.get(name, "0") == "0" for name in wants):
                on = info["aof_enabled"] == "1"
                node.options["appendonly"] = "yes" if on else "no"
                if not on:
                    node.call("SAVE")
                return
            time.sleep(0.05)
        raise Failure(f"{node.name} does not finish what it writes: {info}")


def scan(connection, pattern):
    """All keys of the selected database that match."""
    cursor, keys = b"0", set()
    while True:
        cursor, some = connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        keys.update(some)
        if cursor == b"0":
            return keys


def count_keys(node, pattern):
    """How many keys match in the databases of the load."""
    connection = Connection(node.port)
    count = 0
    for db in range(DATABASES):
        connection.call("SELECT", db)
        count += len(scan(connection, pattern))
    connection.close()
    return count


def dbsizes(node):
    """The number of keys in each database of the load."""
    connection = Connection(node.port)
    sizes = []
    for db in range(DATABASES):
        connection.call("SELECT", db)
        sizes.append(connection.call("DBSIZE"))
    connection.close()
    return tuple(sizes)


def differences(one, other, most=8):
    """The first keys that differ, as lines."""
    lines = []
    for db in range(16):
        sides = []
        for node in (one, other):
            connection = Connection(node.port)
            connection.call("SELECT", db)
            keys = sorted(scan(connection, "*"))
            digests = connection.call("DEBUG", "DIGEST-VALUE", *keys) if keys else []
            sides.append(dict(zip(keys, digests)))
            connection.close()
        keys = sorted(set(sides[0]) | set(sides[1]))
        wrong = [key for key in keys if sides[0].get(key) != sides[1].get(key)]
        if wrong:
            only = [sum(key not in side for key in wrong) for side in reversed(sides)]
            lines.append(f"database {db}: {len(wrong)} keys differ, {only[0]} only on {one.name}, "
                         f"{only[1]} only on {other.name}")  # fmt: skip
        for key in wrong[:most]:
            how = [f"on {node.name} {side.get(key, b'missing').decode()[:12]}"
                   for node, side in zip((one, other), sides)]  # fmt: skip
            lines.append(f"  {key.decode()}: {', '.join(how)}")
    return lines
