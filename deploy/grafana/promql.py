"""The expressions that panels have in common. $instance, $model and $version are the page's variables; Grafana makes
$__rate_interval at least four scrapes long."""

SERVER = 'instance=~"$instance"'
VERSION = f'{SERVER},model=~"$model",version=~"$version"'
EACH_VERSION = "model, version"


def having(**labels: str) -> str:
    """The series of the chosen model versions whose labels have these values too."""
    return ",".join([VERSION, *(f'{name}="{value}"' for name, value in labels.items())])


def rate(counter: str, by: str = "", selector: str = VERSION) -> str:
    """Per second, summed over all but the labels `by`."""
    return f"sum by ({by}) (rate({counter}{{{selector}}}[$__rate_interval]))"


def mean(histogram: str, by: str = "", selector: str = VERSION) -> str:
    """Mean of what a histogram observed."""
    return f"{rate(f'{histogram}_sum', by, selector)} / {rate(f'{histogram}_count', by, selector)}"


def quantile(part: float, histogram: str, by: str = "", selector: str = VERSION) -> str:
    """A quantile, 0..1, of what a histogram observed, interpolated within its bucket."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({part:g}, {rate(f'{histogram}_bucket', labels, selector)})"


def shares(histogram: str) -> str:
    """The cumulative distribution of what a histogram observed, 0..1 by `le`: comparable at any load."""
    return f"{rate(f'{histogram}_bucket', 'le')} / ignoring (le) group_left {rate(f'{histogram}_count')}"


def or_zero(expression: str) -> str:
    """0 where nothing matches, so that a tile shows "0" and not "No data"."""
    return f"{expression} or vector(0)"
