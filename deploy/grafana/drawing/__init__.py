"""Draws panels from a dashboard's JSON much as Grafana does, for a picture in the documentation where there is no Grafana."""
