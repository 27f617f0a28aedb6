"""Stands in for detectron2/modeling/meta_arch."""
