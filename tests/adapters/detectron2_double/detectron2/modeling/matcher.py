"""Stands in for detectron2/modeling/matcher.py, read at 04b65fba17d5cdebabadcea10a080f48a8357f8b."""

import math

import torch


class Matcher:
    """Each column of a quality matrix [M, N] takes its best row; the quality says with which of `labels` (1, 0, -1)."""

    def __init__(self, thresholds, labels, allow_low_quality_matches=False):
        self.thresholds = [-math.inf, *thresholds, math.inf]
        self.labels = labels
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix):
        """Rows int64 [N] and labels int8 [N]."""
        rows, columns = match_quality_matrix.shape
        if rows == 0:
            nothing = match_quality_matrix.new_zeros(columns, dtype=torch.int64)
            return nothing, torch.full_like(nothing, self.labels[0], dtype=torch.int8)
        best, matches = match_quality_matrix.max(dim=0)
        labels = torch.ones_like(matches, dtype=torch.int8)
        for label, low, high in zip(self.labels, self.thresholds[:-1], self.thresholds[1:], strict=True):
            labels[(best >= low) & (best < high)] = label
        if self.allow_low_quality_matches:  # the label rises; whom it is matched to stays
            highest = match_quality_matrix.max(dim=1, keepdim=True).values
            labels[(match_quality_matrix == highest).any(0)] = 1
        return matches, labels
