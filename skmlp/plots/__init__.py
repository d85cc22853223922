"""Plots of training runs. Only the functions that draw import matplotlib."""
