"""Stands in for detectron2/modeling/sampling.py, read at 2502476bf39cf2dac8a472aedfe136cdcf2430d0."""

import torch


def subsample_labels(labels, num_samples, positive_fraction, bg_label):
    """Indices of positives, at most that share of the samples, and of background to fill up; drawn at random."""
    positive = torch.nonzero((labels != -1) & (labels != bg_label)).flatten()
    negative = torch.nonzero(labels == bg_label).flatten()
    num_pos = min(len(positive), int(num_samples * positive_fraction))
    num_neg = min(len(negative), num_samples - num_pos)
    pos_idx = positive[torch.randperm(len(positive))[:num_pos]]
    return pos_idx, negative[torch.randperm(len(negative))[:num_neg]]
