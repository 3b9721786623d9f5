"""What the scripts in Python share: the programs they run, and ports that are free.

A program is never replaced by what a link leads to: some are told by the name they are called by
what to be (Debian's redis-server is a link to redis-check-rdb). Imported, never run; Python's
standard library only.
"""

import os
import pathlib
import random
import shutil
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PORTS = (10000, 20500)  # where free ones are looked for: below those that systems give to connections


class Failure(Exception):
    """Something went wrong with what a script runs: the message is for the operator."""


def runnable(what, chosen):
    """The path of a program that was asked for, by a path or a name in PATH."""
    binary = shutil.which(os.path.expanduser(chosen)) if chosen else None
    if not binary:
        raise Failure(f"{what}: cannot run {chosen or 'a program without a name'}")
    return os.path.abspath(binary)  # servers run in folders of their own


def server_binary():
    """The server to test: TIDEMARK_SERVER, or the release build, which is made if it is not there."""
    chosen = os.environ.get("TIDEMARK_SERVER")
    if chosen:
        return runnable("TIDEMARK_SERVER", chosen)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
    binary = target / "release" / "tidemark-server"
    if not binary.exists():
        command = ["cargo", "build", "--release", "--bin", "tidemark-server", "--target-dir", target]
        try:
            built = subprocess.run(command, cwd=ROOT, check=False).returncode == 0
        except OSError:
            raise Failure(f"no server at {binary}, and no cargo to build it") from None
        if not built or not binary.exists():
            raise Failure(f"no server at {binary}, and the build failed")
    return runnable("the server", str(binary))


def are_free(ports):
    """Whether somebody could listen on each of these ports."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports(count):
    """The first of so many free ports in a row."""
    for _ in range(100):
        base = random.SystemRandom().randrange(*PORTS)
        if are_free(range(base, base + count)):
            return base
    raise Failure(f"found no {count} free ports in a row")
