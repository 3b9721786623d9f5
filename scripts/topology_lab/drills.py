"""What must go without a full sync when nothing else happens.

Events are too wild to say which full sync was needed. Here all nodes have the same data and the
same offset, and nobody writes: whoever comes back has missed nothing but PINGs, which any backlog
holds.
"""

import random

from . import Failure


class Drills:
    """One drill after each round, chosen from the seed."""

    def __init__(self, checks, seed):
        self.checks, self.tree, self.diary = checks, checks.tree, checks.diary
        self.random = random.Random(f"{seed} drills")

    def one(self):
        """A drill: afterwards all is settled and equal again. Returns the digest."""
        drills = (self.cut_all, self.promote, self.restart, self.shut_down)
        drill = self.random.choice(drills)
        self.tree.proxy.take_syncs()
        may_be_full = drill()
        self.checks.settle()
        digest = self.checks.compare()
        pauses = self.tree.proxy.take_pauses()
        for sync in self.tree.proxy.take_syncs():
            self.checks.count(sync)
            if sync.kind == "full" and not pauses and not may_be_full(sync):
                raise Failure(f"{sync.pair.name} asked for {sync.asked} and needed a full sync, "
                              f"in calm: {drill.__doc__}")  # fmt: skip
        return digest

    def cut_all(self):
        """All links are cut at once."""
        self.diary.note("drill: all links are cut")
        for pair in self.tree.links():
            self.tree.proxy.cut(pair, False)
        return lambda _: False

    def promote(self):
        """A replica is promoted, and all others follow it."""
        tree = self.tree
        node, old = self.random.choice(tree.replicas()), tree.primary
        self.diary.note(f"drill: promote {node.name}")
        tree.follow(node, None)
        info = node.info()
        for other in [old] + [other for other in tree.nodes if other not in (node, old)]:
            if other is not node:
                tree.follow(other, node)
        tree.begin_epoch(node)
        known, end = info["master_replid2"], int(info["second_repl_offset"])

        def has_more(sync):
            # A PING may have reached others before they were told.
            words = sync.asked.split()
            return len(words) == 2 and (words[0] != known or int(words[1]) > end)

        return has_more

    def restart(self):
        """A replica is killed and comes back."""
        node = self.random.choice(self.tree.replicas())
        self.diary.note(f"drill: kill -9 {node.name} and restart it")
        self.checks.to_disk(node)
        self.tree.kill(node)
        self.tree.start(node)
        # Redis does not know the position that belongs to an append-only file.
        return lambda _: not node.is_ours and node.options["appendonly"] == "yes"

    def shut_down(self):
        """The primary ends in order, with a snapshot, and comes back as the primary."""
        tree, node = self.tree, self.tree.primary
        self.diary.note(f"drill: SHUTDOWN SAVE of {node.name}, the primary, and its restart")
        self.checks.to_disk(node)
        tree.shut_down(node, "SAVE")
        tree.start(node)
        tree.begin_epoch(node)
        # An append-only file ends before the last PINGs, which are not in it: docs/persistence.md.
        return lambda _: node.options["appendonly"] == "yes"
