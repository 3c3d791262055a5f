"""Draws docs/images/dashboard.png: the dashboard's JSON and a running Prometheus, much as Grafana draws it."""
