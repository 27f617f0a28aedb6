"""Stands in for detectron2/modeling/roi_heads."""
