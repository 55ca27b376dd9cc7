"""Tuning of Python's cyclic garbage collector for our processes."""

import gc

YOUNG = 20_000
"""Allocations before the youngest generation is collected.

A batch of changes allocates some hundred thousand objects that are freed with it and form no cycles. The default of 700
would spend a fifteenth of the batch's time looking for them.
"""


def settle() -> None:
    """Exclude everything that exists now from every later collection; call once the process has started up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
