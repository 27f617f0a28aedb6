"""Stands in for detectron2/utils."""
