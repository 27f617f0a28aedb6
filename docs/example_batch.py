"""What every example of the documentation starts from."""

import torch

import labelassign as la

torch.manual_seed(0)
torch.set_num_threads(1)

# Two images of 128 x 160 pixels with 400 priors and three objects in all, and two untrained networks for ten classes.
priors = la.Priors.grid(image_size=(128, 160), strides=(8, 16), scale=4)
gt = la.GroundTruth.from_list(
    [
        {"boxes": [[10, 12, 46, 44], [60, 30, 120, 90]], "labels": [0, 1]},
        {"boxes": [[20, 40, 56, 84]], "labels": [2]},
    ]
)
predictions = la.Predictions(priors.boxes.repeat(2, 1, 1), torch.randn(2, 400, 10))
other = la.Predictions(priors.boxes.repeat(2, 1, 1), torch.randn(2, 400, 10))
a = la.ATSS()(priors, gt)
