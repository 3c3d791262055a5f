"""Configuration of what runs beside the server: Prometheus, Alertmanager, Grafana, Envoy; some of it is generated."""
