"""Stands in for detectron2/utils/events.py, read at 33653a47d456194f20d2f2abee2a0ae38fbacd00."""

_CURRENT_STORAGE_STACK = []


def get_event_storage():
    assert _CURRENT_STORAGE_STACK, "get_event_storage() has to be called inside a 'with EventStorage(...)' context!"
    return _CURRENT_STORAGE_STACK[-1]


class EventStorage:
    """Scalars of the current iteration, for writers to write."""

    def __init__(self, start_iter=0):
        self.iter = start_iter
        self._latest_scalars = {}

    def put_scalar(self, name, value, smoothing_hint=True):
        self._latest_scalars[name] = (float(value), self.iter)

    def latest(self):
        return self._latest_scalars

    def __enter__(self):
        _CURRENT_STORAGE_STACK.append(self)
        return self

    def __exit__(self, *_):
        assert _CURRENT_STORAGE_STACK.pop() is self
