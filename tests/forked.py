"""``capsvc`` as a script calls it: asks for a fork with all that it was given itself, and ends as the fork does."""

import json
import os
import signal
import socket
import struct
import sys


def main() -> None:
    """Ask on the connection whose number stands in the environment, and pass on whatever signal comes."""
    environment = dict(os.environ)
    nursery = socket.socket(fileno=int(environment.pop("TESTS_NURSERY")))
    mask = os.umask(0)
    told = json.dumps([sys.argv, environment, os.getcwd(), mask])  # noqa: PTH109 - pathlib takes as long to load as all the rest
    status, theirs = os.pipe()
    socket.send_fds(nursery, [told.encode()], [0, 1, 2, theirs])
    os.close(theirs)
    pid = _number(status)
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, lambda number, frame: os.kill(pid, number))
    code = _number(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _number(status: int) -> int:
    number: int = struct.unpack("i", os.read(status, 4))[0]
    return number


if __name__ == "__main__":
    main()
