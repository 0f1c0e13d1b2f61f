"""Scan and Snap: classes of sequences with common and distinct tokens, of which only the counts matter.

`task` the classes and their exact population quantities, `multinomial` how counts are drawn, `model` the one-layer
attention and decoder on counts, `measures` what to record of it, `text` windows of a real text. No training here.
"""

from toy_tasks.scan_and_snap.measures import SnapMeasures, recall
from toy_tasks.scan_and_snap.model import CountModel
from toy_tasks.scan_and_snap.task import ScanAndSnap
from toy_tasks.scan_and_snap.text import TextMeasures, TextWindows

__all__ = ["CountModel", "ScanAndSnap", "SnapMeasures", "TextMeasures", "TextWindows", "recall"]
