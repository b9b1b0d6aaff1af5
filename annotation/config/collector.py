"""Python's collector of cycles, in processes that live long."""

import gc


def spare_collector() -> None:
    """Call it once everything is loaded: that stays for good, and the collector need not look at it again.

    A request makes some ten thousand objects that die with it, and a release some hundred for each row, so looking
    every 700, as Python does, is looking in vain.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
