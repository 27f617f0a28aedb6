"""A stand-in for detectron2, for tests alone: the real one is not on PyPI.

Written by us from the public interface of https://github.com/facebookresearch/detectron2 (Apache-2.0). It keeps the
order of calls, the names of methods, arguments and losses, the types that pass between them, and their arithmetic; it
leaves out configuration, inference, masks and everything else that training one step does not touch. Each file names
the file that it stands in for and the commit at which that was read.
"""

__version__ = "0.6"
