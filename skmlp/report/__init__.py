"""The report on a fitted classifier: one HTML file."""
