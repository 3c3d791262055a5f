"""The sections of the report: one module for each, with a function `measure(run)`."""
