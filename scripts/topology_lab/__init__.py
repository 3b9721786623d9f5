"""The parts of scripts/topology, a live tool for replication; how it is called is said there.

  topology.py  the tree: who follows whom, which node takes the writes, which history lasts
  node.py      a server process with a folder of its own; RESP
  proxy.py     what lies between a replica and its primary: cuts, stalls, half-open connections
  writers.py   the load, with marks that tell which history a write belongs to
  events.py    what happens to the nodes, chosen from the seed
  checks.py    what must hold while it happens, and once everything is healed
  drills.py    what must go without a full sync when nothing else happens
  diary.py     what happened when, and the logs of all nodes merged by time

Python's standard library only. Nothing here compiles, and nothing listens but on loopback.
"""

from servers import Failure

__all__ = ["Failure"]
