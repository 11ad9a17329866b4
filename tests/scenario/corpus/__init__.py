"""Histories that earlier versions recorded, replayed by this one.

``histories/<version>.json`` is what ``python -m scripts.record_corpus`` wrote with that version; it is never written again. The
functions in `workflows` and `values` belong to the histories: what stands there is only added to.
"""
