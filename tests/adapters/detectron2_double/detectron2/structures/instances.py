"""Stands in for detectron2/structures/instances.py, read at d731c8a6bd57c8fc9bf9c92fa4b8da6899ebfa23."""

import torch


class Instances:
    """Fields of equal length that belong to one image of `image_size` (height, width)."""

    def __init__(self, image_size, **fields):
        self._image_size = image_size
        self._fields = {}
        for name, value in fields.items():
            self.set(name, value)

    @property
    def image_size(self):
        return self._image_size

    def __setattr__(self, name, value):
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self.set(name, value)

    def __getattr__(self, name):
        if name == "_fields" or name not in self._fields:
            raise AttributeError(f"no field {name!r} in these Instances")
        return self._fields[name]

    def set(self, name, value):
        assert not self._fields or len(value) == len(self), f"{name} has another length than the other fields"
        self._fields[name] = value

    def has(self, name):
        return name in self._fields

    def get(self, name):
        return self._fields[name]

    def get_fields(self):
        return self._fields

    def to(self, device):
        moved = {name: each.to(device) if hasattr(each, "to") else each for name, each in self._fields.items()}
        return Instances(self._image_size, **moved)

    def __getitem__(self, item):
        return Instances(self._image_size, **{name: each[item] for name, each in self._fields.items()})

    def __len__(self):
        return len(next(iter(self._fields.values())))

    @staticmethod
    def cat(instance_lists):
        first = instance_lists[0]
        joined = Instances(first.image_size)
        for name, value in first.get_fields().items():
            parts = [each.get(name) for each in instance_lists]
            joined.set(name, torch.cat(parts) if isinstance(value, torch.Tensor) else type(value).cat(parts))
        return joined
