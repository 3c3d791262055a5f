"""What runs around the server: Prometheus, Grafana, Envoy. Files for them, and what makes those that are made."""
