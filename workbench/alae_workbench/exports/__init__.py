"""Trained models written for other software: ONNX and other formats, and a page for the browser."""
