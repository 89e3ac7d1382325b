"""Pieces of work side by side."""

import threading

import pytest
import torch

from latentgeo import processes
from latentgeo.threads import side_by_side


def test_pieces_keep_their_order_and_meet(two_threads):
    # Neither passes the barrier unless both are at work at the same time.
    barrier = threading.Barrier(2, timeout=30)

    def work(piece):
        barrier.wait()
        return piece, torch.get_num_threads()

    assert side_by_side(work, "ab", 2) == [("a", 1), ("b", 1)]
    assert torch.get_num_threads() == 2


def test_threads_are_given_back_after_an_error(two_threads):
    def fail(piece):
        raise ValueError(piece)

    with pytest.raises(ValueError, match="a"):
        side_by_side(fail, "ab", 2)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("at_once", "threads"), [(1, 1), (2, 2), (9, 2)])
def test_one_process_does_no_more_at_once_than_it_is_let(two_threads, at_once, threads):
    names = processes.do_all([threading.get_ident] * 8, at_once=at_once)
    assert len(set(names)) <= threads
    assert (threading.get_ident() in names) == (at_once == 1)
