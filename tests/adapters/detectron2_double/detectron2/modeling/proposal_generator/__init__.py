"""Stands in for detectron2/modeling/proposal_generator."""
