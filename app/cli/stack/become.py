"""`become.py PARENT SIGNAL USER PROGRAM…`: run a program in this process's place, as another user if one is named.

The kernel sends SIGNAL when the parent dies. This is a script, and not a function that runs between fork and exec: a
lock that another thread holds at a fork (gRPC has such threads) stays held in the child, which then never becomes its
program.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def become(parent: int, signal_number: int, user: str, argv: list[str]) -> None:
    """Replace this process. The user is changed first: a change of user would reset the death signal."""
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)  # root's group would be denied where others may pass
        os.setuid(entry.pw_uid)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux alone has it
    if prctl:
        prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # the parent died before we could ask
        sys.exit(1)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{argv[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
