"""Stands in for detectron2/structures/image_list.py, read at 9f8d35e653674932fbe7a579feee36ed9dc8e8c5."""


class ImageList:
    """Images of several sizes as one `.tensor`, padded at the right and at the bottom; `.image_sizes` are (h, w)."""

    def __init__(self, tensor, image_sizes):
        self.tensor = tensor
        self.image_sizes = image_sizes

    def __len__(self):
        return len(self.image_sizes)

    @staticmethod
    def from_tensors(tensors, size_divisibility=0, pad_value=0.0):
        sizes, step = [tuple(each.shape[-2:]) for each in tensors], max(size_divisibility, 1)
        height, width = (-(-max(side) // step) * step for side in zip(*sizes, strict=True))
        padded = tensors[0].new_full((len(tensors), tensors[0].shape[0], height, width), pad_value)
        for image, place in zip(tensors, padded, strict=True):
            place[:, : image.shape[1], : image.shape[2]] = image
        return ImageList(padded, sizes)
