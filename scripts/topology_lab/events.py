"""What happens to the nodes: events chosen from the seed, and what undoes them a while later.

Everything is planned in time of its own, and executed in the order of the plan. What an event
chooses depends on the seed and on the tree as it is meant to be, never on what a server did: the
same seed gives the same events. Only what the servers were doing just then is different.
"""

import heapq
import itertools
import random
import time

from . import Failure
from .node import Connection, ErrorReply
from .topology import read_ledger

LOCAL_DATABASE = 12
BACKLOGS = ("16kb", "64kb", "1mb", "16mb")
# Mean seconds between events: each round has one of them.
PACES = (0.25, 0.6, 1.5)


class Events:
    """The rounds of one run."""

    def __init__(self, tree, writers, seed):
        self.tree, self.writers = tree, writers
        self.proxy, self.diary = tree.proxy, tree.diary
        self.random = random.Random(f"{seed} events")
        self.planned, self.order = [], itertools.count()
        self.now = 0.0  # of the plan
        self.behind = time.monotonic()  # when the plan's time was 0
        self.counts = {}
        # Events that may have broken a link since the last count, and how many links they may have
        # broken: each event's own and all below it, whose data or history may be replaced.
        self.breaks = self.disturbed = 0
        self.observe = lambda: None

    # --- the plan ---

    def later(self, seconds, action):
        """Plans an action."""
        heapq.heappush(self.planned, (self.now + seconds, next(self.order), action))

    def wait_until(self, planned):
        """Lets the plan's time come, while looking whether all is well."""
        while True:
            self.observe()
            left = self.behind + planned - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(left, 0.1))
        self.now = planned

    def round(self, seconds):
        """Events for so long, then everything that was planned, at once, and all links healed."""
        end = self.now + seconds
        pace = self.random.choice(PACES)
        self.behind = time.monotonic() - self.now
        self.diary.note(f"events, one every {pace} s")
        while True:
            at = self.now + self.random.expovariate(1 / pace)
            while self.planned and self.planned[0][0] <= min(at, end):
                due, _, action = heapq.heappop(self.planned)
                self.wait_until(due)
                action()
            if at >= end:
                break
            self.wait_until(at)
            self.happen()
        self.wait_until(end)
        self.heal()

    def heal(self):
        """Undoes all that was done to nodes and links, and gives every node its place."""
        self.diary.note("everything heals")
        while self.planned:
            heapq.heappop(self.planned)[2]()
        self.proxy.heal()
        for node in self.tree.nodes:
            self.resume(node)
            if not node.is_up:
                self.start(node)
        for node in self.tree.nodes:
            self.attach(node)
        self.observe()

    def note(self, text):
        self.diary.note(text)

    def disturb(self, node):
        """Counts an event that may break the link of a node, and those of all below it."""
        self.breaks += 1
        self.disturbed += 1 + len(self.tree.below(node))

    def happen(self):
        """One event."""
        kinds, weights = zip(*self.KINDS)
        kind = self.random.choices(kinds, weights)[0]
        if kind(self) is not False:
            name = kind.__name__
            self.counts[name] = self.counts.get(name, 0) + 1

    # --- choices ---

    def choose(self, some):
        """One of them, or None."""
        some = list(some)
        return self.random.choice(some) if some else None

    def a_link(self):
        """A replica that is up, and the pair of its link."""
        node = self.choose(node for node in self.tree.replicas() if node.answers)
        return (node, self.proxy.pair(node, self.tree.parent[node])) if node else (None, None)

    def some_bytes(self, most):
        """A number of bytes; small ones are as frequent as large ones."""
        return int(2 ** self.random.uniform(0, most.bit_length()))

    # --- links ---

    def cut(self):
        node, pair = self.a_link()
        if not node:
            return False
        rudely = self.random.random() < 0.5
        self.disturb(node)
        self.note(f"cut {pair.name}{' by RST' if rudely else ''}")
        self.proxy.cut(pair, rudely)

    def cut_after_bytes(self):
        node, pair = self.a_link()
        if not node:
            return False
        rudely, down = self.random.random() < 0.5, self.some_bytes(200_000)
        self.disturb(node)
        self.note(f"{pair.name} will be cut after {down} bytes")
        self.proxy.cut_after(pair, rudely, down=down)

    def cut_on_the_way_up(self):
        node, pair = self.a_link()
        if not node:
            return False
        up = self.some_bytes(250)
        self.disturb(node)
        self.note(f"{pair.name} will be cut after {up} bytes on the way up")
        self.proxy.cut_after(pair, False, up=up)
        self.proxy.cut(pair, False)

    def cut_snapshot(self):
        """The next full sync of a link ends within its snapshot, or just after it."""
        node, pair = self.a_link()
        if not node:
            return False
        rudely, snapshot = self.random.random() < 0.5, self.some_bytes(2_000_000)
        self.disturb(node)
        self.disturb(node)
        self.note(f"the next full sync of {pair.name} will be cut after {snapshot} bytes")
        self.proxy.cut_after(pair, rudely, snapshot=snapshot)

    def stall(self):
        node, pair = self.a_link()
        if not node:
            return False
        seconds = self.random.choice((0.3, 1, 2, 8))
        self.disturb(node)
        self.note(f"{pair.name} stalls for {seconds} s")
        self.proxy.stall(pair, True)
        self.later(seconds, lambda: self.proxy.stall(pair, False))

    def slow(self):
        node, pair = self.a_link()
        if not node:
            return False
        seconds, rate = self.random.choice((2, 5, 8)), self.random.choice((20, 100, 500, 2000))
        self.disturb(node)
        self.note(f"{pair.name} is slow for {seconds} s: {rate} kB/s")
        self.proxy.slow(pair, rate * 1000)
        self.later(seconds, lambda: self.proxy.slow(pair, None))

    def outage(self):
        node, pair = self.a_link()
        if not node:
            return False
        seconds = self.random.choice((0.5, 1.5, 3))
        self.disturb(node)
        self.note(f"{pair.name} is refused for {seconds} s")
        self.proxy.refuse(pair, True)
        self.later(seconds, lambda: self.proxy.refuse(pair, False))

    def half_open(self):
        node, pair = self.a_link()
        if not node:
            return False
        seconds, close_below = self.random.choice((1, 3, 9)), self.random.random() < 0.6
        self.disturb(node)
        who = node if close_below else pair.parent
        self.note(f"{pair.name} is half-open for {seconds} s: {who.name} alone is told")
        self.proxy.half_open(pair, seconds, close_below)

    def client_kill(self):
        node = self.choose(node for node in self.tree.nodes if node.answers)
        kind = self.random.choice(("replica", "master"))
        if not node:
            return False
        self.disturb(node)
        self.note(f"CLIENT KILL TYPE {kind} on {node.name}")
        node.call("CLIENT", "KILL", "TYPE", kind)

    # --- nodes ---

    def kill_replica(self):
        node = self.choose(node for node in self.tree.replicas() if node.is_up)
        if not node:
            return False
        seconds = self.random.choice((0, 0.5, 2, 5))
        empty = self.random.random() < 0.1
        self.disturb(node)
        how = ", without its files" if empty else ""
        self.note(f"kill -9 {node.name}, back in {seconds} s{how}")
        self.kill(node)
        if empty:
            node.forget_data()
        self.later(seconds, lambda: self.start(node))

    def kill_primary(self):
        """The primary comes back as the primary, unless somebody else was promoted meanwhile."""
        node = self.tree.primary
        if not node.is_up:
            return False
        seconds = self.random.choice((0, 0.5, 2))
        self.disturb(node)
        self.note(f"kill -9 {node.name}, the primary, back in {seconds} s")
        self.kill(node)
        self.later(seconds, lambda: self.start(node))

    def kill(self, node):
        self.resume(node)
        self.learn_file(node)
        self.tree.kill(node)
        self.let_rest(node)

    def let_rest(self, node):
        """Stops the writers of a node."""
        for writer in self.writers:
            if writer.target and writer.target[0] is node:
                writer.direct(None, None)

    def start(self, node):
        """Starts a node that is down, in the place that it has by now."""
        if node.is_up:
            return
        self.note(f"start {node.name}")
        kept_all = node.keeps_all
        self.tree.start(node)
        if node is self.tree.primary:
            self.check_acknowledged(node, kept_all)
            self.direct_writers(self.tree.begin_epoch(node))

    def check_acknowledged(self, node, kept_all):
        """With `appendfsync always`, what was acknowledged is there after a kill."""
        current = self.tree.epochs[-1]
        if not kept_all or current.node is not node:
            return
        ledger = read_ledger(node)
        for writer in self.writers:
            epoch, n = writer.acknowledged
            if epoch == current.number and ledger.get(writer.number, (-1, 0)) < (epoch, n):
                raise Failure(
                    f"{node.name} has lost writes that it acknowledged with appendfsync always: "
                    f"writer {writer.number} came to {n} in epoch {epoch}, "
                    f"the restarted node knows {ledger.get(writer.number)}"
                )

    def restart(self):
        """An orderly end and a new start, of any node: with a snapshot its position is known."""
        node = self.choose(node for node in self.tree.nodes if node.answers)
        if not node:
            return False
        how, seconds = self.random.choice(("SAVE", "NOSAVE")), self.random.choice((0, 1))
        self.disturb(node)
        self.note(f"SHUTDOWN {how} of {node.name}, back in {seconds} s")
        self.learn_file(node)
        self.tree.shut_down(node, how)
        self.let_rest(node)
        self.later(seconds, lambda: self.start(node))

    def reload(self):
        node = self.a_call("DEBUG", "RELOAD")
        if node:
            self.disturb(node)

    def blackout(self):
        """The power fails for all nodes at once; they come back in some order."""
        self.note("kill -9 of all nodes")
        self.disturb(self.tree.primary)
        for node in self.tree.nodes:
            self.disturb(node)
            if node.is_up:
                self.kill(node)
            self.later(self.random.uniform(0, 2), lambda node=node: self.start(node))

    def kill_child(self):
        """The process that writes a snapshot, a base of the file or a full sync dies."""
        node = self.choose(node for node in self.tree.nodes if node.answers)
        if not node:
            return False
        killed = node.kill_children()
        self.disturb(node)
        self.note(f"kill -9 {killed} children of {node.name}")

    def stop(self):
        node = self.choose(node for node in self.tree.nodes if node.answers)
        if not node:
            return False
        seconds = self.random.choice((0.2, 1, 3, 8))
        self.disturb(node)
        self.note(f"SIGSTOP {node.name} for {seconds} s")
        node.stop()
        self.tree.version += 1
        self.later(seconds, lambda: self.resume(node))

    def resume(self, node):
        if node.stopped:
            self.note(f"SIGCONT {node.name}")
            node.resume()
            self.tree.tell(node)

    # --- the tree ---

    def promote(self):
        """A replica becomes the primary; the others follow it, or each other, a while later."""
        tree = self.tree
        node = self.choose(node for node in tree.replicas() if node.answers)
        if not node:
            return False
        old, how = tree.primary, self.random.choice(("told", "killed", "split"))
        others = [other for other in tree.nodes if other not in (node, old)]
        self.disturb(old)
        self.note(f"promote {node.name}; {old.name} is {how}")
        if how == "killed" and old.is_up:
            self.kill(old)
            self.later(self.random.choice((0.1, 1, 4)), lambda: self.start(old))
        # Who was left with it, from when it was a primary before, would write in an old epoch.
        self.let_rest(node)
        tree.follow(node, None)
        epoch = tree.begin_epoch(node)
        if how == "told":
            self.direct_writers(epoch)
            self.attach(old)
        elif how == "killed":
            self.direct_writers(epoch)
            with tree.lock:
                self.attach(old)
        else:
            # One writer goes on with the old primary: its writes will be discarded.
            self.writers[0].direct(node, epoch)
            seconds = self.random.uniform(0.2, 2)
            self.later(seconds * 0.9, lambda: self.direct_writers(tree.epochs[-1]))
            self.later(seconds, lambda: self.attach(old))
        for other in others:
            if self.random.random() < 0.7 or node not in tree.ancestors(other):
                self.later(self.random.uniform(0, 2), lambda other=other: self.attach(other, True))

    def attach(self, node, always=False):
        """Lets a node follow some node of the primary's tree, if it is not in it (or always)."""
        tree = self.tree
        if node is tree.primary or (not always and node in tree.attached()):
            return
        mine = tree.below(node)
        places = [other for other in tree.attached() if other is not node and other not in mine]
        # The primary itself is as likely as all others together.
        place = tree.primary if self.random.random() < 0.5 else self.random.choice(places)
        if tree.parent[node] is not place:
            self.disturb(node)
            self.note(f"{node.name} is to follow {place.name}")
            tree.follow(node, place)

    def move(self):
        node = self.choose(node for node in self.tree.replicas() if node.answers)
        if not node:
            return False
        self.attach(node, True)

    def direct_writers(self, epoch):
        """Sends all writers to the primary of an epoch, if that is still the last one."""
        if epoch is self.tree.epochs[-1] and epoch.node.is_up:
            for writer in self.writers:
                writer.direct(epoch.node, epoch)

    # --- files and settings ---

    def a_call(self, *command):
        """A command to a node that answers; an error reply is no failure."""
        node = self.choose(node for node in self.tree.nodes if node.answers)
        if not node:
            return None
        self.note(f"{' '.join(map(str, command))} on {node.name}")
        self.call(node, *command)
        return node

    def call(self, node, *command):
        try:
            node.call(*command)
        except ErrorReply as error:
            self.note(f"  is answered {error}")

    def bgsave(self):
        self.a_call("BGSAVE", "SCHEDULE")

    def bgrewriteaof(self):
        self.a_call("BGREWRITEAOF")

    def switch_file(self):
        """The append-only file goes on or off at run time."""
        node = self.choose(node for node in self.tree.nodes if node.answers)
        if not node:
            return False
        word = "no" if node.wants_file else "yes"
        self.note(f"CONFIG SET appendonly {word} on {node.name}")
        node.wants_file, node.keeps_all = word == "yes", False
        if word == "no":
            node.options["appendonly"] = "no"
        self.call(node, "CONFIG", "SET", "appendonly", word)

    def learn_file(self, node):
        """A file that was switched on is kept in the configuration once its base is written."""
        if node.wants_file and node.options["appendonly"] == "no" and node.answers:
            info = node.info()
            unready = "aof_rewrite_in_progress", "aof_rewrite_scheduled"
            if info.get("aof_enabled") == "1" and all(info.get(name) == "0" for name in unready):
                node.options["appendonly"] = "yes"
        node.wants_file = node.options["appendonly"] == "yes"

    def configure(self):
        node = self.choose(node for node in self.tree.nodes if node.answers)
        if not node:
            return False
        name, value = self.random.choice((
            ("repl-backlog-size", self.random.choice(BACKLOGS)),
            ("repl-diskless-sync", self.random.choice(("yes", "no"))),
            ("appendfsync", self.random.choice(("always", "everysec"))),
        ))
        self.note(f"CONFIG SET {name} {value} on {node.name}")
        node.options[name] = value
        node.keeps_all = False
        self.call(node, "CONFIG", "SET", name, value)

    def write_locally(self):
        """A writable replica's own writes, between those of its link. Nothing of them is left."""
        node = self.choose(node for node in self.tree.replicas() if node.answers)
        if not node:
            return False
        self.note(f"local writes on {node.name}")
        unit = [("MULTI",), ("SELECT", LOCAL_DATABASE), ("SET", "local", "x"), ("INCR", "n"),
                ("DEL", "local", "n"), ("EXEC",), ("SELECT", 0)]  # fmt: skip
        connection = Connection(node.port)
        try:
            connection.call("CONFIG", "SET", "replica-read-only", "no")
            for _ in range(20):
                connection.send(unit)
                for _ in unit:
                    connection.read()
            connection.call("CONFIG", "SET", "replica-read-only", "yes")
        finally:
            connection.close()

    def burst(self):
        """More at once than most backlogs hold."""
        self.note("a burst of writes")
        self.writers[1].burst = True

    KINDS = (
        (cut, 6), (cut_after_bytes, 7), (cut_on_the_way_up, 1), (cut_snapshot, 3), (stall, 3),
        (slow, 3), (restart, 1.5), (reload, 0.5), (blackout, 0.5),
        (kill_child, 2), (write_locally, 1.5),
        (outage, 3), (half_open, 3), (client_kill, 3), (kill_replica, 4), (kill_primary, 1.5),
        (stop, 2), (promote, 3), (move, 4), (bgsave, 1.5), (bgrewriteaof, 1.5), (switch_file, 1.5),
        (configure, 2), (burst, 3),
    )  # fmt: skip
