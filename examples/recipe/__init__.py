"""A training recipe: one small detector, any assigner, LAD, SoLAD and CoLAD: `python -m examples.recipe`."""
