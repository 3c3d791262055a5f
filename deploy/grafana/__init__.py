"""The dashboard. `make dashboards` writes dashboards/vitscope.json from rows/."""
