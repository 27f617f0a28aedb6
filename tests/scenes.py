"""Small scenes by hand and by seed, for tests of single methods."""

import torch

import labelassign as la

STRIDES = (8, 16, 32)
IMAGE = (128, 160)


def grid(**options):
    return la.Priors.grid(image_size=IMAGE, strides=STRIDES, **{"scale": 4, **options})


def ground_truth(counts=(3, 0, 5), *, classes=6, seed=0):
    random = torch.Generator().manual_seed(seed)
    images = []
    for n in counts:
        side = torch.exp(torch.rand(n, 2, generator=random) * 2.2 + 2)
        centre = torch.rand(n, 2, generator=random) * torch.tensor([IMAGE[1], IMAGE[0]])
        boxes = torch.cat([centre - side / 2, centre + side / 2], 1)
        images.append({"boxes": boxes, "labels": torch.randint(0, classes, (n,), generator=random)})
    return la.GroundTruth.from_list(images)


def predictions(priors, images=3, *, classes=6, seed=1, noise=6.0):
    random = torch.Generator().manual_seed(seed)
    boxes = priors.boxes + torch.randn(images, priors.count, 4, generator=random) * noise
    return la.Predictions(boxes, torch.randn(images, priors.count, classes, generator=random) * 1.5 - 2)
