"""Figures: grids of images, plots of numbers, and saving both."""
