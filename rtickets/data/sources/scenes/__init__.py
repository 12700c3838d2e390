"""Scenes with known masks and boxes: cut-outs composed on photographs."""
