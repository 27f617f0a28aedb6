"""Networks that answer from memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._pytree import tree_map

from benchmarks.adapters.meter import Place


def _leaf(value: Any) -> Any:
    """A tensor without its history, which learns if it did."""
    return value.detach().requires_grad_(value.requires_grad) if isinstance(value, torch.Tensor) else value


def _same(value: Any) -> Any:
    return value


def heard(places: Sequence[Place], call: Callable[[], object]) -> list[list[Any]]:
    """What each place answers during one call, in order."""
    found: list[list[Any]] = [[] for _ in places]

    def listening(function: Any, answers: list[Any]) -> Any:
        def listen(*args: Any, **options: Any) -> Any:
            answer = function(*args, **options)
            answers.append(tree_map(_leaf, answer))
            return answer

        return listen

    with ExitStack() as stack:
        for (owner, name), answers in zip(places, found, strict=True):
            stack.enter_context(patch.object(owner, name, listening(getattr(owner, name), answers)))
        call()
    return found


@contextmanager
def repeating(places: Sequence[Place], answers: Sequence[Sequence[Any]]) -> Iterator[None]:
    """Inside, the places compute nothing: they give the answers, over and over, in containers of their own."""
    with ExitStack() as stack:
        for (owner, name), own in zip(places, answers, strict=True):
            again = cycle(own)
            stack.enter_context(patch.object(owner, name, lambda *_, again=again, **__: tree_map(_same, next(again))))
        yield
