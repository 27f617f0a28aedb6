"""Stands in for detectron2/modeling."""
