"""Pieces of work side by side, each on one thread."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], count: int
) -> list[Result]:
    """Apply a function to each piece on threads of their own.

    Whole chains of operations run side by side: for many small ones that is faster than one
    operation after the other on all threads, and much faster on a machine that has other work to
    do.

    Parameters
    ----------
    function : callable
        Meanwhile torch and BLAS are held to one thread in each call.
    pieces : iterable
        What it is called with.
    count : int
        Calls at a time.

    Returns
    -------
    list
        What each call gave, in the order of the pieces.
    """
    threads = torch.get_num_threads()
    alone = blas().limit(limits=1, user_api="blas")
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        with alone, pool:
            return list(pool.map(function, pieces))
    finally:
        torch.set_num_threads(threads)


@cache
def blas() -> Any:
    """Find the BLAS libraries once: it takes milliseconds."""
    return ThreadpoolController()
