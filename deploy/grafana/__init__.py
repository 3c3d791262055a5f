"""The dashboard: `make dashboards` writes dashboards/vitscope.json from rows/; draw.py draws it without Grafana."""
