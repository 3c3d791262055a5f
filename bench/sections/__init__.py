"""What is measured, one module for each section of the report; each has a `measure(run)`."""
