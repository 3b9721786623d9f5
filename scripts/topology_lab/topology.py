"""The tree as it is meant to be: who follows whom, which node takes the writes, and what is valid.

Each time a node becomes the one that takes the writes (a promotion, or a restart of the primary)
an epoch begins. It knows what its node held then, by the ledger: a hash in a database of its own
that notes, in the same transaction as each marked write, how far each writer came in which epoch.
So every marked write `mark:<writer>:<epoch>:<n>` is known to belong to the history that lasts, or
to have been discarded; a discarded one may be nowhere once a node has caught up.

The tree is meant, not observed: a node that is down or stopped is told when it is back.
"""

import threading
import time

from .node import Connection, ErrorReply

LEDGER_DATABASE = 9
LEDGER = "ledger"
LOADING_LIMIT_SECONDS = 30


class Epoch:
    """What one primary wrote, upon what it held when it began."""

    def __init__(self, number, node, parent, ledger):
        self.number, self.node = number, node
        self.parent = parent  # the epoch before, on this node; None for the empty beginning
        self.ledger = ledger  # writer -> (epoch, n), as found at the beginning


class Tree:
    """All nodes, and what each is meant to follow."""

    def __init__(self, nodes, proxy, diary):
        self.nodes, self.proxy, self.diary = nodes, proxy, diary
        self.lock = threading.RLock()
        self.version = 0  # counts changes, for whoever looks at the tree in several steps
        self.parent = {node: None for node in nodes}
        self.told = {node: None for node in nodes}
        self.primary = nodes[0]
        self.epochs = []

    # --- shape ---

    def ancestors(self, node):
        """Those a node follows, nearest first."""
        found = []
        while (node := self.parent[node]) is not None:
            found.append(node)
        return found

    def below(self, node):
        """All that follow a node, directly or not, in order of their numbers."""
        return [other for other in self.nodes if node in self.ancestors(other)]

    def children(self, node):
        """Those that follow a node directly."""
        return [other for other in self.nodes if self.parent[other] is node]

    def attached(self):
        """The primary and all that follow it."""
        return [self.primary] + self.below(self.primary)

    def replicas(self):
        """Nodes that follow another one."""
        return [node for node in self.nodes if self.parent[node]]

    def links(self):
        """The pairs that carry a link now."""
        return [self.proxy.pair(node, self.parent[node]) for node in self.replicas()]

    def port_to_follow(self, node):
        """Where a node finds the one it is meant to follow. None if it is to be a primary."""
        parent = self.parent[node]
        return self.proxy.pair(node, parent).port if parent else None

    # --- changes ---

    def follow(self, node, parent):
        """Means a node to follow another one, or none; tells it if it listens."""
        with self.lock:
            assert parent is None or (parent is not node and node not in self.ancestors(parent))
            self.version += 1
            self.parent[node] = parent
            self.tell(node)

    def tell(self, node):
        """Sends REPLICAOF if a node was told something else so far, and listens."""
        with self.lock:
            parent = self.parent[node]
            if not node.answers or self.told[node] is parent:
                return
            place = ("127.0.0.1", self.proxy.pair(node, parent).port) if parent else ("NO", "ONE")
            when_loaded(lambda: node.call("REPLICAOF", *place))
            self.told[node] = parent

    def start(self, node):
        """Starts a node with the configuration that an operator keeps up to date."""
        with self.lock:
            self.version += 1
            self.told[node] = self.parent[node]
            node.start(self.port_to_follow(node))

    def kill(self, node):
        """Kills a node."""
        with self.lock:
            self.version += 1
            node.kill()

    def shut_down(self, node, how):
        """Ends a node in order, with or without a snapshot."""
        with self.lock:
            self.version += 1
            node.shut_down(how)

    # --- histories ---

    def begin_epoch(self, node):
        """From here on a node takes the writes. None may have come to it as a primary yet."""
        with self.lock:
            self.version += 1
            self.primary = node
            ledger = when_loaded(lambda: read_ledger(node))
            parent = ledger.pop("epoch", None)
            epoch = Epoch(len(self.epochs), node, parent, ledger)
            self.epochs.append(epoch)
            connection = node_connection(node)
            connection.call("HSET", LEDGER, "epoch", epoch.number)
            connection.close()
            self.diary.note(f"epoch {epoch.number} begins on {node.name}, upon {parent} {ledger}")
            return epoch

    def is_valid(self, writer, epoch, n):
        """Whether a marked write belongs to the history that lasts."""
        current = self.epochs[-1]
        while current.number != epoch:
            if current.parent is None:
                return False
            child, current = current, self.epochs[current.parent]
            # What the next epoch began with says how far this one lasts.
            if current.number == epoch:
                known_epoch, known = child.ledger.get(writer, (-1, 0))
                return known_epoch == epoch and n <= known
        return True


def when_loaded(call):
    """Calls, again and again while a node loads a snapshot of the primary it has had so far."""
    end = time.monotonic() + LOADING_LIMIT_SECONDS
    while True:
        try:
            return call()
        except ErrorReply as error:
            if not str(error).startswith("LOADING") or time.monotonic() > end:
                raise
        time.sleep(0.02)


def node_connection(node):
    """A connection to the database of the ledger."""
    connection = Connection(node.port)
    connection.call("SELECT", LEDGER_DATABASE)
    return connection


def read_ledger(node, timeout=None):
    """How far the writers came, as a node knows: writer -> (epoch, n), and `epoch` -> number."""
    connection = node_connection(node)
    if timeout:
        connection.socket.settimeout(timeout)
    try:
        words = connection.call("HGETALL", LEDGER)
    finally:
        connection.close()
    found = {}
    for name, value in zip(words[::2], words[1::2]):
        if name == b"epoch":
            found["epoch"] = int(value)
        else:
            epoch, n = value.split(b":")
            found[int(name)] = (int(epoch), int(n))
    return found
