"""A server process on loopback with a folder of its own, and RESP2 to talk to it."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

from . import Failure

START_LIMIT_SECONDS = 60
REPLY_LIMIT_SECONDS = 10
END_LIMIT_SECONDS = 30  # replicas that lag are waited for, 10 s by default
# What all nodes are started with. A silent link is given up after 6 s, so that a run meets it.
OPTIONS = """\
bind 127.0.0.1
logfile node.log
save ""
enable-debug-command local
repl-timeout 6
repl-ping-replica-period 1
"""


LIBC = ctypes.CDLL(None)  # loaded before any fork
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In a new process: ends it when the tool ends, however that ends. A server that stayed behind
    would ask for its primary on ports that another run has by then.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class ErrorReply(Exception):
    """The server answered with an error."""


class Connection:
    """A blocking RESP2 connection."""

    def __init__(self, port, timeout=REPLY_LIMIT_SECONDS):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def send(self, commands):
        """Sends commands in one write; arguments are bytes, text or numbers."""
        request = bytearray()
        for command in commands:
            request += b"*%d\r\n" % len(command)
            for word in command:
                word = word if isinstance(word, bytes) else str(word).encode()
                request += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(request)

    def read(self):
        """One reply. An error is returned, not raised: it may stand in an array."""
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("connection closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return ErrorReply(rest.decode(errors="replace"))
        if kind == b"$":
            if int(rest) < 0:
                return None
            data = self.replies.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("connection closed")
            return data[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self.read() for _ in range(int(rest))]
        raise Failure(f"not RESP2: {line[:80]!r}")

    def call(self, *command):
        """One command and its reply; an error reply is raised."""
        self.send([command])
        reply = self.read()
        if isinstance(reply, ErrorReply):
            raise reply
        return reply

    def close(self):
        """Closes the connection."""
        self.replies.close()
        self.socket.close()


class Node:
    """One server process at a time. Whom it follows is the tree's business (topology.py)."""

    def __init__(self, number, binary, port, folder):
        self.number, self.name = number, f"n{number}"
        self.binary, self.port, self.folder = binary, port, folder
        self.log = folder / "node.log"
        self.process = None
        self.stopped = False  # by SIGSTOP
        self.options = {}  # what the next start has beside OPTIONS
        self.is_ours = True  # other servers warn in other words, and promise less
        # The append-only file was on, with fsync before every reply, since the process began.
        self.keeps_all = False
        self.starts = 0
        folder.mkdir()

    @property
    def is_up(self):
        """It has been started and was not killed by us."""
        return self.process is not None

    @property
    def answers(self):
        """It is up and not stopped."""
        return self.is_up and not self.stopped

    def start(self, follow=None):
        """Starts the process, following the port `follow` if given, and waits until it serves."""
        options = dict(self.options)
        if follow:
            options["replicaof"] = f"127.0.0.1 {follow}"
        lines = "".join(f"{name} {value}\n" for name, value in sorted(options.items()))
        config = self.folder / "node.conf"
        config.write_text(f'port {self.port}\ndir "{self.folder}"\n{OPTIONS}{lines}')
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, str(config)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.starts += 1
        always = options.get("appendfsync") == "always"
        self.keeps_all = options.get("appendonly") == "yes" and always
        end = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < end:
            self.must_run()
            try:
                info = self.info()
                self.is_ours = "tidemark_version" in info
                if info["loading"] == "0":
                    return
            except (ErrorReply, OSError):
                pass
            time.sleep(0.02)
        raise Failure(f"{self.name}: no PONG {START_LIMIT_SECONDS} s after its start")

    def must_run(self):
        """Fails if the process has ended by itself."""
        code = self.process.poll() if self.process else None
        if code is not None:
            raise Failure(f"{self.name} ended by itself (exit code {code})")

    def kill(self):
        """SIGKILL."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process, self.stopped = None, False

    def shut_down(self, how):
        """SHUTDOWN SAVE or NOSAVE, and the wait for the end."""
        try:
            self.call("SHUTDOWN", how, timeout=END_LIMIT_SECONDS)
            raise Failure(f"{self.name} answers SHUTDOWN {how}")
        except ErrorReply as error:
            raise Failure(f"{self.name} answers SHUTDOWN {how}: {error}") from None
        except OSError:
            pass
        try:
            code = self.process.wait(END_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} runs {END_LIMIT_SECONDS} s after SHUTDOWN") from None
        if code != 0:
            raise Failure(f"{self.name}: exit code {code} after SHUTDOWN {how}")
        self.process = None

    def kill_children(self):
        """SIGKILL to the processes that it has forked. Returns how many there were."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        try:
            with open(path, encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
        except OSError:
            return 0
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return len(children)

    def stop(self):
        """SIGSTOP: it answers nothing, and its sockets stay."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self.stopped = True

    def resume(self):
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)
        self.stopped = False

    def call(self, *command, timeout=REPLY_LIMIT_SECONDS):
        """One command on a connection of its own."""
        connection = Connection(self.port, timeout)
        try:
            return connection.call(*command)
        finally:
            connection.close()

    def info(self, timeout=REPLY_LIMIT_SECONDS):
        """The fields of INFO."""
        text = self.call("INFO", "everything", timeout=timeout).decode(errors="replace")
        return parse_info(text)

    def forget_data(self):
        """Removes all data files, as on a machine that comes back with a new disk."""
        for path in self.folder.iterdir():
            if path.suffix in (".rdb", ".aof"):
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)

    def processor_seconds(self):
        """Processor time so far, its children's not counted."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        """How many files and sockets the process has open."""
        try:
            return len(os.listdir(f"/proc/{self.process.pid}/fd"))
        except OSError:
            return 0


def parse_info(text):
    """The fields of an INFO text."""
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}
