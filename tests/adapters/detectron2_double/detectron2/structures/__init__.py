"""Stands in for detectron2/structures."""

from detectron2.structures.boxes import Boxes, pairwise_iou, pairwise_point_box_distance
from detectron2.structures.image_list import ImageList
from detectron2.structures.instances import Instances

__all__ = ["Boxes", "ImageList", "Instances", "pairwise_iou", "pairwise_point_box_distance"]
