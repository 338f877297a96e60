"""An interpreter that is spoken to over its pipes: it gives up what programs must not have, then runs what it is sent."""

from __future__ import annotations

import ast
import ctypes
import gc
import io
import json
import linecache
import os
import platform
import resource
import stat
import struct
import sys
import threading
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from agents.tools.sandbox.inside.figures import main as show_figures

_DATA = "/mnt/data"
_ERROR = 10_000
_SEEN = tuple[int, int, int]

# What programs may not ask of the kernel, by architecture: other processes and programs, mounts and namespaces, sockets of
# the network, and memory that no limit counts. First the architecture's number, `clone` and `clone3`.
_CALLS: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        56,
        435,
        (
            *(
                29,
                41,
                57,
                58,
                59,
                64,
                68,
                101,
                155,
                161,
                165,
                166,
                240,
                248,
                249,
                250,
                272,
                298,
                308,
                310,
                311,
                319,
                321,
            ),
            *(322, 323, 425, 426, 427, 428, 429, 430, 431, 432, 434, 438, 447),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        435,
        (
            *(
                39,
                40,
                41,
                51,
                97,
                117,
                180,
                186,
                190,
                194,
                198,
                217,
                218,
                219,
                221,
                241,
                268,
                270,
                271,
                279,
                280,
                281,
                282,
            ),
            *(425, 426, 427, 428, 429, 430, 431, 432, 434, 438, 447),
        ),
    ),
}
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x10000


def confine(limits: dict[str, int]) -> None:
    """Limit this process, for good. Raises `OSError` where the kernel can't."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    program = _filter()
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = ctypes.create_string_buffer(program)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions)))
    no_new_privileges, set_seccomp, by_filter = 38, 22, 2
    zero, pointer = ctypes.c_ulong(0), ctypes.c_ulong(ctypes.addressof(head))
    if libc.prctl(no_new_privileges, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(
        set_seccomp, ctypes.c_ulong(by_filter), pointer, zero, zero
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


def _filter() -> bytes:
    """seccomp's program: EPERM for those calls, threads but no processes, no calls of another architecture."""
    audit, clone, clone3, denied = _CALLS[platform.machine()]
    load, equal, above, bits, end = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    steps = [step(load, 4), step(equal, audit, 1), step(end, kill), step(load, 0)]
    steps += [step(above, 0x40000000, 0, 1), step(end, kill)]
    for call in denied:
        steps += [step(equal, call, 0, 1), step(end, refuse | _EPERM)]
    steps += [step(equal, clone3, 0, 1), step(end, refuse | _ENOSYS)]  # its flags can't be seen: use clone
    steps += [step(equal, clone, 0, 3), step(load, 16), step(bits, _CLONE_THREAD, 1), step(end, refuse | _EPERM)]
    return b"".join([*steps, step(end, allow)])


class Printed(io.TextIOBase):
    """What a program prints, up to a limit."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.begin()

    def begin(self) -> None:
        self._parts: list[str] = []
        self._left = self._room

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(text[: self._left])
        self._left -= len(self._parts[-1])
        return len(text)

    def text(self) -> str:
        return "".join(self._parts)


class Driver:
    """Runs one program after the other in one namespace, and tells what came of each."""

    def __init__(self, limits: dict[str, int]) -> None:
        self._limits = limits
        self._in, self._out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        self._printed = Printed(limits["output"] + 1)
        self._put_there: set[str] = set()
        self._known: dict[str, _SEEN] = {}
        self._missing = ""
        self._number = 0
        self._ended = False
        main = sys.modules["__main__"] = ModuleType("__main__")
        self._names = main.__dict__

    def serve(self) -> None:
        """Answer until nobody asks any more."""
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        self._tell({"ready": True})
        while not self._ended and (line := self._in.readline()):
            asked = json.loads(line)
            if "put" in asked:
                self._put(asked["put"], self._in.read(asked["size"]))
            else:
                self._answer(asked)

    def _put(self, name: str, data: bytes) -> None:
        try:
            with open(os.path.join(_DATA, name), "wb") as file:
                file.write(data)
        except OSError as error:
            self._missing += f"(The file {name} is not there: {error.strerror}.)\n"
        self._put_there.add(name)
        self._known = dict(self._found())

    def _answer(self, asked: dict[str, Any]) -> None:
        self._printed.begin()
        self._printed.write(self._missing)
        self._missing = ""
        sys.stdin, sys.stdout, sys.stderr = io.StringIO(), self._printed, self._printed
        error = self._run(asked["code"])
        gc.collect()
        error = self._too_many() or error
        files, beyond = self._changed()
        told = {"id": asked["id"], "printed": _utf8(self._printed.text()), "error": error and _utf8(error)}
        told["ended"] = self._ended
        self._tell({**told, "files": [(name, len(data)) for name, data in files], "beyond": beyond}, files)

    def _run(self, code: str) -> str | None:
        """The error that a program ends with."""
        self._number += 1
        name = f"<program {self._number}>"
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        try:
            tree = ast.parse(code, name)
            last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
            exec(compile(tree, name, "exec"), self._names)
            exec(compile(ast.Interactive(last), name, "single"), self._names)
        except SystemExit as end:
            return None if end.code in (None, 0) else f"SystemExit: {end.code}"
        except MemoryError:
            self._ended = True
            return "MemoryError: the program took more memory than it may."
        except BaseException as error:
            return _explained(error, name)
        return None

    def _too_many(self) -> str | None:
        """Remove what programs have made where it is more than can be there, and say so."""
        most, count = self._limits["names"], 0
        for _, folders, names in os.walk(_DATA, topdown=False):
            count += len(folders) + len(names)
        if count <= most:
            return None
        for folder, folders, names in os.walk(_DATA, topdown=False):
            for name in names:
                if folder != _DATA or name not in self._put_there:
                    os.unlink(os.path.join(folder, name))
            for name in folders:
                path = os.path.join(folder, name)
                os.unlink(path) if os.path.islink(path) else os.rmdir(path)
        self._known = dict(self._found())
        return f"There were {count} files and folders under {_DATA}, of at most {most}: those that programs had made are gone."

    def _changed(self) -> tuple[list[tuple[str, bytes]], list[str]]:
        """The files that were made or changed since this was asked last, and the names of those that are too much."""
        found = dict(self._found())
        names = sorted(name for name, seen in found.items() if self._known.get(name) != seen)
        self._known = found
        files: list[tuple[str, bytes]] = []
        for name in names[: self._limits["files"]]:
            with open(os.path.join(_DATA, name), "rb") as file:
                files.append((name, file.read()))
        return files, names[self._limits["files"] :]

    def _found(self) -> Iterator[tuple[str, _SEEN]]:
        """The files directly in the folder, and what tells whether they have changed. A link is none."""
        with os.scandir(_DATA) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode) and not entry.name.startswith(".") and entry.name == _utf8(entry.name):
                    yield entry.name, (about.st_mtime_ns, about.st_size, about.st_ino)

    def _tell(self, told: dict[str, Any], files: list[tuple[str, bytes]] | None = None) -> None:
        self._out.write(json.dumps(told).encode() + b"\n")
        for _, data in files or []:
            self._out.write(data)
        self._out.flush()


def _utf8(text: str) -> str:
    """The text without the halves of characters, which no JSON carries."""
    return text.encode("utf-8", "replace").decode()


def _explained(error: BaseException, name: str) -> str:
    """An error as Python tells it, without the steps that are the driver's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != name:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).strip()[-_ERROR:]


def main() -> None:
    limits = json.loads(sys.argv[1])
    show_figures()
    threading.stack_size(1024 * 1024)
    driver = Driver(limits)
    os.chdir(_DATA)
    confine(limits.pop("resources"))
    driver.serve()
