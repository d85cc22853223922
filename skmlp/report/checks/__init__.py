"""The checks whose results are the findings of the report."""
