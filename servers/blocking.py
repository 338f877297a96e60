"""What has to be awaited, for programs that don't: scripts, notebooks, threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from functools import wraps
from inspect import isawaitable
from typing import Any, Self

from servers.assistants.emitter import Emitter
from servers.calls import Stream


class Worker:
    """A thread with an event loop, on which `home` is open from `begin` to `end`."""

    def __init__(self, home: AbstractAsyncContextManager[Any]) -> None:
        self._home = home
        self._shift: _Shift | None = None

    def begin(self) -> None:
        """Returns when it is open. Raises what opening raises, and `RuntimeError` where it is open already."""
        if self._shift is not None:
            raise RuntimeError("It is open already.")
        self._shift = _Shift(self._home)
        try:
            self._shift.opened.result()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Returns when all is closed, and raises what closing raises. Nothing happens where it is not open."""
        shift, self._shift = self._shift, None
        if shift is not None:
            shift.leave()

    def call(self, function: Callable[..., Any], *args: Any, **fields: Any) -> Any:
        """What a function returns, called on the loop, or what it awaits. Whoever stops waiting cancels it."""
        if self._shift is None:
            raise RuntimeError("It is not open: use it with `with`, or call open() before.")
        if self._shift.thread is threading.current_thread():
            raise RuntimeError("This is the thread of its event loop, which can't wait for itself.")
        waiting = asyncio.run_coroutine_threadsafe(_result(function, args, fields), self._shift.runner.get_loop())
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise


class _Shift:
    """From one opening to its end. The thread is a daemon: a program that forgets to close can end."""

    def __init__(self, home: AbstractAsyncContextManager[Any]) -> None:
        self._home = home
        self._over = asyncio.Event()
        self.runner = asyncio.Runner()
        self.opened: Future[None] = Future()
        self._ended: Future[None] = Future()
        self.thread = threading.Thread(target=self._work, name="cortex-flow", daemon=True)
        self.thread.start()

    def leave(self) -> None:
        """Close, and wait for it."""
        with suppress(RuntimeError):  # the loop is closed where it could not be opened
            self.runner.get_loop().call_soon_threadsafe(self._over.set)
        self.thread.join()
        self._ended.result()

    def _work(self) -> None:
        try:
            with self.runner:
                self.runner.run(self._stay())
        except BaseException as error:
            (self._ended if self.opened.done() else self.opened).set_exception(error)
        if not self._ended.done():
            self._ended.set_result(None)

    async def _stay(self) -> None:
        async with self._home:
            self.opened.set_result(None)
            await self._over.wait()


class Blocking:
    """The same methods, which return when there is a result. Streams are iterated by `for`; handlers of events are called
    on the thread of the event loop."""

    def __init__(self, target: Any, worker: Worker) -> None:
        self._target, self._worker = target, worker

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._shown(getattr(self._target, name))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(self._target) if not name.startswith("_"))]

    def _shown(self, value: Any) -> Any:
        match value:
            case Stream():
                return BlockingStream(value, self._worker)
            case Emitter():
                return Blocking(value, self._worker)
            case _ if callable(value):
                return self._blocking(value)
            case _:
                return value

    def _blocking(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def blocking(*args: Any, **fields: Any) -> Any:
            return self._shown(self._worker.call(function, *args, **fields))

        return blocking


class BlockingStream(Blocking):
    """A stream, to be read by `for`. It can be closed, by `with` too."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return self._worker.call(self._target.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Read no more of it."""
        self._worker.call(self._target.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BlockingHome(Blocking):
    """The same as what it is made of, opened by `with` (or `open`) on an event loop in a thread of its own."""

    def __init__(self, target: AbstractAsyncContextManager[Any]) -> None:
        super().__init__(target, Worker(target))

    def open(self) -> Self:
        """Open it. Raises what that raises."""
        self._worker.begin()
        return self

    def close(self) -> None:
        """Close everything."""
        self._worker.end()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()


async def _result(function: Callable[..., Any], args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    value = function(*args, **fields)
    return await value if isawaitable(value) else value
