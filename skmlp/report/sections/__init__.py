"""The sections of the report: each module computes the content of one of them."""
