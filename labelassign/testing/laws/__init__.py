"""The laws, by what they speak of; importing them enters them into `LAWS`."""

from labelassign.testing.laws import distillation, form, meaning, numbers, symmetry

__all__ = ["distillation", "form", "meaning", "numbers", "symmetry"]
