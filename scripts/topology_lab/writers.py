"""The load: writers that change all kinds of values in four databases of whoever is the primary.

Each batch is a pipeline of ordinary commands, some in transactions (with SELECT inside, too), and
one marked write: see topology.py. What commands a batch has comes from the seed; which of them
reach a node before something happens to it does not.
"""

import random
import threading
import time

from . import Failure
from .node import Connection, ErrorReply
from .topology import LEDGER, LEDGER_DATABASE

DATABASES = 4
KEYS = 120  # of each type, in each database
QUEUES = 4
BIG_KEYS = 6
BIG_BYTES = 48 * 1024
BURST_BYTES = 3 << 20
# Longer than any run: nothing else expires while data is compared.
TTL_LONG_SECONDS = 12 * 3600
TTL_SHORT_MS = (100, 2000)
REPLY_LIMIT_SECONDS = 3
# What a primary may answer while it becomes a replica, starts, or has no such key.
EXPECTED_ERRORS = (
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "EXECABORT",
    "ERR no such key",
    "ERR source and destination objects are the same",
    "ERR WAIT cannot be used with replica instances",
    "UNBLOCKED",
    "WRONGTYPE",
    "NOGROUP",
    "BUSYGROUP",
    "ERR value is not an integer",
)


def ordinary(random_, now):
    """One command that changes data, of about thirty kinds."""
    k = random_.randrange(KEYS)
    other = random_.randrange(KEYS)
    db = random_.randrange(DATABASES)
    word = b"%d" % random_.randrange(1 << 30)
    member = b"m%d" % random_.randrange(60)
    commands = (
        (14, lambda: ("SET", f"str:{k}", word * random_.randrange(1, 12))),
        (4, lambda: ("SET", f"str:{k}", word, "EX", TTL_LONG_SECONDS)),
        (3, lambda: ("SET", f"short:{k}", word, "PX", random_.randint(*TTL_SHORT_MS))),
        (1, lambda: ("EXPIREAT", f"str:{k}", int(now) + TTL_LONG_SECONDS)),
        (1, lambda: ("PERSIST", f"str:{k}")),
        (1, lambda: ("GETEX", f"str:{k}", "EX", TTL_LONG_SECONDS)),
        (8, lambda: ("INCR", f"count:{k}")),
        (1, lambda: ("INCRBYFLOAT", f"float:{k}", "0.1")),
        (2, lambda: ("APPEND", f"text:{k}", word)),
        (2, lambda: ("SETRANGE", f"text:{k}", random_.randrange(200), word)),
        (6, lambda: ("LPUSH", f"list:{k}", word, member)),
        (3, lambda: ("RPOP", f"list:{k}")),
        (2, lambda: ("LTRIM", f"list:{k}", 0, 40)),
        (1, lambda: ("LMOVE", f"list:{k}", f"list:{other}", "LEFT", "RIGHT")),
        (1, lambda: ("LREM", f"list:{k}", 1, member)),
        (6, lambda: ("SADD", f"set:{k}", member, word)),
        (4, lambda: ("SPOP", f"set:{k}")),
        (2, lambda: ("SPOP", f"set:{k}", 3)),
        (1, lambda: ("SMOVE", f"set:{k}", f"set:{other}", member)),
        (1, lambda: ("SUNIONSTORE", f"set:{k}", f"set:{k}", f"set:{other}")),
        (6, lambda: ("HSET", f"hash:{k}", member, word)),
        (2, lambda: ("HINCRBY", f"hash:{k}:n", member, 3)),
        (1, lambda: ("HINCRBYFLOAT", f"hash:{k}:f", member, "1.5")),
        (2, lambda: ("HDEL", f"hash:{k}", member)),
        (6, lambda: ("ZADD", f"zset:{k}", random_.randrange(1000), member)),
        (1, lambda: ("ZADD", f"zset:{k}", "GT", random_.randrange(1000), member)),
        (2, lambda: ("ZPOPMIN", f"zset:{k}", 2)),
        (1, lambda: ("ZINCRBY", f"zset:{k}", "0.5", member)),
        (1, lambda: ("ZUNIONSTORE", f"zset:{k}", 2, f"zset:{k}", f"zset:{other}")),
        (6, lambda: ("XADD", f"stream:{k}", "MAXLEN", "~", 100, "*", member, word)),
        (1, lambda: ("XGROUP", "CREATE", f"stream:{k}", member, "$", "MKSTREAM")),
        (1, lambda: ("XTRIM", f"stream:{k}", "MAXLEN", 30)),
        (1, lambda: ("PFADD", f"hll:{k}", word)),
        (1, lambda: ("SETBIT", f"bits:{k}", random_.randrange(4000), 1)),
        (2, lambda: ("SET", f"big:{k % BIG_KEYS}", word[:1] * random_.randrange(BIG_BYTES))),
        (5, lambda: ("DEL", f"{random_.choice(TYPES)}:{k}")),
        (1, lambda: ("UNLINK", f"{random_.choice(TYPES)}:{k}", f"str:{other}")),
        (1, lambda: ("RENAME", f"str:{k}", f"str:{other}")),
        (1, lambda: ("MOVE", f"str:{k}", db)),
        (1, lambda: ("COPY", f"set:{k}", f"set:{other}", "DB", db, "REPLACE")),
        (1, lambda: ("PUBLISH", "news", word)),
        (1, lambda: ("SORT", f"list:{k}", "ALPHA", "STORE", f"list:{other}")),
        # Errors, which inside a transaction do not stop the rest of it.
        (1, lambda: ("LPUSH", f"str:{k}", word)),
        (1, lambda: ("INCR", f"text:{k}")),
        # What the consumer waits for: see there.
        (3, lambda: ("RPUSH", f"queue:{k % QUEUES}", word, member)),
        (2, lambda: ("ZADD", f"zqueue:{k % QUEUES}", 1, word)),
        (2, lambda: ("XADD", f"xqueue:{k % QUEUES}", "MAXLEN", "~", 50, "*", "w", word)),
        (0.15, lambda: ("SWAPDB", db, random_.randrange(DATABASES))),
        (0.03, lambda: ("FLUSHDB",)),
    )
    weights = [weight for weight, _ in commands]
    return random_.choices(commands, weights)[0][1]()


def errors_in(reply):
    """All errors in a reply, also inside arrays."""
    if isinstance(reply, ErrorReply):
        return [reply]
    return [error for part in reply for error in errors_in(part)] if type(reply) is list else []


TYPES = "str list set hash zset stream text count".split()
INSIDE_MULTI = "SWAPDB FLUSHDB XGROUP".split()  # not in transactions of these


class Writer:
    """One connection to whatever it is told to write to."""

    def __init__(self, number, seed, pause_seconds):
        self.number, self.pause_seconds = number, pause_seconds
        self.random = random.Random(f"{seed} writer {number}")
        self.condition = threading.Condition()
        self.target = None  # (node, epoch), or None to rest
        self.busy = False
        self.epoch, self.n = -1, 0  # of the last marked write
        self.acknowledged = (-1, 0)  # epoch and n of the last marked write that was answered
        self.commands = 0
        self.burst = False
        self.failure = None
        self.ended = False
        self.connection = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    # --- what it is told ---

    def direct(self, node, epoch):
        """Writes to a node from now on; returns once the batch under way is over."""
        with self.condition:
            self.target = (node, epoch) if node else None
            self.condition.notify_all()
            self.condition.wait_for(lambda: not self.busy, timeout=2 * REPLY_LIMIT_SECONDS)

    def end(self):
        """Ends the thread."""
        with self.condition:
            self.ended = True
            self.condition.notify_all()
        self.thread.join()

    # --- the thread ---

    def run(self):
        connected = None
        while True:
            with self.condition:
                self.busy = False
                self.condition.notify_all()
                self.condition.wait_for(lambda: self.ended or (self.target and not self.failure))
                if self.ended:
                    self.disconnect()
                    return
                node, epoch = self.target
                self.busy = True
            try:
                if connected != (node, epoch) or self.connection is None:
                    self.disconnect()
                    self.connection = Connection(node.port, REPLY_LIMIT_SECONDS)
                    connected = (node, epoch)
                self.write(epoch.number)
            except OSError:  # killed, stopped, or told to hang up
                self.disconnect()
                time.sleep(0.05)
            except Exception as error:  # noqa: BLE001 -- whatever it is, the run has to hear of it
                self.failure = f"writer {self.number} to {node.name}: {error!r}"
            with self.condition:
                self.busy = False
                self.condition.notify_all()
            time.sleep(self.random.uniform(0.2, 1.8) * self.pause_seconds)

    def disconnect(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def write(self, epoch):
        # A number that was sent and not answered is not used again: it may have been executed.
        self.n = self.n + 1 if self.epoch == epoch else 1
        self.epoch = epoch
        batch = self.batch(epoch, self.n)
        self.connection.send(batch)
        answered = True
        for command in batch:
            reply = self.connection.read()
            for error in errors_in(reply):
                self.judge(command, str(error))
            if isinstance(reply, ErrorReply):
                answered = False if command[0] == "EXEC" and command is self.marked else answered
            elif command is self.marked and reply is None:
                answered = False
        if answered:
            self.acknowledged = (epoch, self.n)
        self.commands += len(batch)

    def judge(self, command, error):
        if not error.startswith(EXPECTED_ERRORS):
            raise Failure(f"{command[:3]} is answered {error}")

    def batch(self, epoch, n):
        now = time.time()
        commands = []
        if self.burst:
            self.burst = False
            size = BURST_BYTES // 60
            commands.append(("SELECT", self.random.randrange(DATABASES)))
            for index in range(60):
                commands.append(("SET", f"big:{index % BIG_KEYS}", b"%d" % (index % 10) * size))
        for _ in range(self.random.randrange(1, 8)):
            commands.append(("SELECT", self.random.randrange(DATABASES)))
            some = [ordinary(self.random, now) for _ in range(self.random.randrange(1, 9))]
            if self.random.random() < 0.35:
                some = [command for command in some if command[0] not in INSIDE_MULTI]
                if self.random.random() < 0.5:
                    where = self.random.randrange(len(some) + 1)
                    some.insert(where, ("SELECT", self.random.randrange(DATABASES)))
                some = [("MULTI",), *some, ("EXEC",)]
            commands += some
        marked = self.mark(epoch, n)
        if self.random.random() < 0.1:
            commands.append(("WAIT", 1, 20))  # asks replicas in the stream how far they are
        at = self.random.choice((0, len(commands)))
        if at == 0:
            # Whatever comes next belongs to some database, not to the ledger's.
            marked.append(("SELECT", self.random.randrange(DATABASES)))
        return commands[:at] + marked + commands[at:]

    def mark(self, epoch, n):
        """The marked write, and the note of it in the ledger: both or none."""
        mark = ("SET", f"mark:{self.number}:{epoch}:{n}", n)
        note = ("HSET", LEDGER, self.number, f"{epoch}:{n}")
        self.marked = tuple(["EXEC"])  # told from every other EXEC by being itself
        db = ("SELECT", self.random.randrange(DATABASES))
        ledger = ("SELECT", LEDGER_DATABASE)
        return self.random.choice((
            [db, ("MULTI",), mark, ledger, note, self.marked],
            [("MULTI",), db, mark, ledger, note, self.marked],
            [("MULTI",), ledger, note, db, mark, self.marked],
            [ledger, ("MULTI",), note, db, mark, self.marked],
        ))


class Consumer(Writer):
    """Waits for values that the others push: served in the midst of their commands, in databases
    of its own choice.
    """

    def batch(self, epoch, n):
        queues = [self.random.randrange(QUEUES) for _ in range(2)]
        one, two = queues
        commands = [("SELECT", self.random.randrange(DATABASES))]
        commands += self.random.choice((
            [("BLPOP", f"queue:{one}", f"queue:{two}", 0.1)] * 3,
            [("BLMOVE", f"queue:{one}", f"queue:{two}", "LEFT", "RIGHT", 0.1)],
            [("BLMPOP", 0.1, 2, f"queue:{one}", f"queue:{two}", "LEFT", "COUNT", 2)],
            [("BZPOPMIN", f"zqueue:{one}", f"zqueue:{two}", 0.1)],
            [
                ("XGROUP", "CREATE", f"xqueue:{one}", "g", "0", "MKSTREAM"),
                ("XREADGROUP", "GROUP", "g", "c", "COUNT", 5, "BLOCK", 100,
                 "STREAMS", f"xqueue:{one}", ">"),
                ("XAUTOCLAIM", f"xqueue:{one}", "g", "d", 0, "0", "COUNT", 3),
            ],
        ))  # fmt: skip
        return commands + self.mark(epoch, n)
