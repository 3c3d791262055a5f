"""Load tests of a vitscope server: Locust scenarios, latency objectives, a verdict. `vitscope loadtest` runs them."""
