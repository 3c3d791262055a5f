"""PromQL expressions that panels share.

$instance, $model and $version are variables of the page. $__rate_interval is at least four scrapes long in Grafana.
"""

SERVER = 'instance=~"$instance"'
VERSION = f'{SERVER},model=~"$model",version=~"$version"'
EACH_VERSION = "model, version"


def having(**labels: str) -> str:
    """Return the selector of the chosen model versions with these labels."""
    return ",".join([VERSION, *(f'{name}="{value}"' for name, value in labels.items())])


def rate(counter: str, by: str = "", selector: str = VERSION) -> str:
    """Return the rate of a counter per second, summed over all but the labels `by`."""
    return f"sum by ({by}) (rate({counter}{{{selector}}}[$__rate_interval]))"


def mean(histogram: str, by: str = "", selector: str = VERSION) -> str:
    """Return the mean of a histogram's observations."""
    return f"{rate(f'{histogram}_sum', by, selector)} / {rate(f'{histogram}_count', by, selector)}"


def quantile(part: float, histogram: str, by: str = "", selector: str = VERSION) -> str:
    """Return a quantile, 0..1, of a histogram's observations, interpolated within its bucket."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({part:g}, {rate(f'{histogram}_bucket', labels, selector)})"


def shares(histogram: str) -> str:
    """Return the cumulative distribution of a histogram's observations, 0..1 by `le`: comparable at any load."""
    return f"{rate(f'{histogram}_bucket', 'le')} / ignoring (le) group_left {rate(f'{histogram}_count')}"


def or_zero(expression: str) -> str:
    """Return 0 where nothing matches, so that a tile shows "0" and not "No data"."""
    return f"{expression} or vector(0)"
