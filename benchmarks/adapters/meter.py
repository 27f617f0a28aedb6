"""Time inside of chosen functions."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

Place = tuple[Any, str]
"""An object, or a class, and the name of what is called there."""
PARTS = ("assigning", "losing", "rest")


@dataclass(frozen=True)
class Spent:
    """Seconds of one call: of the process on its core and by the clock on the wall; of the former, those of each part.

    `rest` is what is neither assignment nor the losses proper, which both sides work out by the same functions.
    """

    cpu: float
    wall: float
    assigning: float
    losing: float
    rest: float


class Timed:
    """Stands before a callable; all else is the callable's own."""

    def __init__(self, meter: Meter, call: Any, place: Place) -> None:
        self._meter, self._call, self._place = meter, call, place

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The call, on the clock of its part."""
        with self._meter.inside(self._place):
            return self._call(*args, **options)

    def __getattr__(self, name: str) -> Any:
        """Of the callable."""
        return getattr(self._call, name)


class Meter:
    """One clock for each part of a call; at any time one of them runs.

    Arguments:
        assigning: where it is decided which prior learns which object, whatever is called from there;
        losing: where losses are worked out;
        without: inside of `assigning`, where something else is done after all.
    """

    def __init__(
        self, assigning: Sequence[Place] = (), losing: Sequence[Place] = (), without: Sequence[Place] = ()
    ) -> None:
        self.assigning, self.losing, self.without = assigning, losing, without
        self._now, self._since = "rest", 0.0
        self._clocks = dict.fromkeys(PARTS, 0.0)

    def _part(self, place: Place) -> str:
        """Whose clock runs inside of a place that is called now."""
        if self._now == "assigning":
            if place not in self.without:
                return self._now
            return "losing" if place in self.losing else "rest"
        if self._now == "losing" or (place in self.without and place not in self.losing):
            return self._now
        return "assigning" if place in self.assigning else "losing"

    def _turn(self, part: str) -> str:
        """Stop the clock that runs and let another one run; the one that ran."""
        now, before = time.process_time(), self._now
        self._clocks[before] += now - self._since
        self._now, self._since = part, now
        return before

    @contextmanager
    def inside(self, place: Place) -> Iterator[None]:
        """During one call of a place."""
        before = self._turn(self._part(place))
        try:
            yield
        finally:
            self._turn(before)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, the places have clocks."""
        with ExitStack() as stack:
            for owner, name in dict.fromkeys((*self.assigning, *self.losing, *self.without)):
                stack.enter_context(patch.object(owner, name, self._before(owner, name)))
            yield

    def _before(self, owner: Any, name: str) -> Any:
        call, place = getattr(owner, name), (owner, name)
        if not inspect.isclass(owner):
            return Timed(self, call, place)

        def method(*args: Any, **options: Any) -> Any:
            with self.inside(place):
                return call(*args, **options)

        return method

    def of(self, call: Callable[[], object]) -> Spent:
        """What one call takes."""
        self._now, self._clocks = "rest", dict.fromkeys(PARTS, 0.0)
        wall, self._since = time.perf_counter(), time.process_time()
        call()
        self._turn("rest")
        wall = time.perf_counter() - wall
        return Spent(sum(self._clocks.values()), wall, **self._clocks)
