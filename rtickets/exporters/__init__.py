"""Tickets as files that other programs run: StableHLO, ONNX, state dicts of PyTorch."""

from rtickets.exporters.export import FORMATS, export

__all__ = ["FORMATS", "export"]
