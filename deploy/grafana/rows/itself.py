"""Is the model still itself?"""

from deploy.grafana.panels import Query, graph, heatmap
from deploy.grafana.promql import EACH_VERSION, mean, rate, shares
from deploy.grafana.rows import Row, line

DRIFT = 0.2  # of the alert VitscopeDrift
OF_VERSION = 'model=~"$model",version=~"$version"'

CONFIDENCE = heatmap(
    "Confidence",
    "The probability of the first class, over time: each column shows the distribution of the answers of that time. "
    "Choose one model above. A band that moves down: images that the model does not know.",
    shares("vitscope_confidence_ratio"),
    "percentunit",
)
MARGIN = heatmap(
    "Margin to the second class",
    "How much more probable the first class is than the second. Near 0 the model could as well have named the other.",
    shares("vitscope_margin_ratio"),
    "percentunit",
)
ATTENTION = heatmap(
    "Spread of the attention",
    "How evenly the last layer attends to the image: 0 % to one patch alone, 100 % to all patches equally. A change "
    "means that it attends to something else than before.",
    shares("vitscope_attention_entropy_ratio"),
    "percentunit",
)
BRIGHTNESS = heatmap(
    "Brightness",
    "Mean of the model's input pixels: 0 % black, 100 % white. A new camera or a light that is off shows here first.",
    shares("vitscope_brightness_ratio"),
    "percentunit",
)
SIZE = heatmap(
    "Size of the images",
    "Width times height of the images as they were sent, in pixels. Callers that began to send thumbnails show here.",
    shares("vitscope_image_pixels"),
    "short",
)
EVIDENCE = graph(
    "Evidence beside the object",
    "Where the evidence for a class lies, on average, of the answers that were asked for it: on the border of the "
    "image, on outlying tokens, on tokens that are no patches. A rise: the model reads a frame, a watermark, or notes "
    "of its own instead of the object.",
    *(
        Query(mean(f"vitscope_evidence_{where}_ratio", EACH_VERSION), f"{name}, {{{{model}}}} {{{{version}}}}")
        for where, name in (("border", "border"), ("outlier", "outliers"), ("prefix", "no patches"))
    ),
    unit="percentunit",
    top=1,
)
LOW = graph(
    "Low confidence",
    "Share of the answers whose confidence is less than the setting low_confidence, 0.5 unless it was changed.",
    Query(
        f"{rate('vitscope_low_confidence_total', EACH_VERSION)}"
        f" / {rate('vitscope_confidence_ratio_count', EACH_VERSION)}",
        "{{model}} {{version}}",
    ),
    unit="percentunit",
    top=1,
)
DISTANCE = graph(
    "Drift",
    "How far the last hour's images and answers are from those of the three days before: the largest difference "
    "between the two cumulative distributions (Kolmogorov-Smirnov), 0 for equal, 100 % for disjoint. The alert "
    "fires above the line, if there were enough images to tell.",
    Query(f"version:vitscope_signal_drift:distance{{{OF_VERSION}}}", "{{signal}}, {{model}} {{version}}"),
    unit="percentunit",
    top=1,
    line_at=DRIFT,
)

ITSELF = Row(
    "Is the model still itself?",
    (
        line(7, CONFIDENCE, MARGIN, ATTENTION, BRIGHTNESS),
        line(8, SIZE, LOW, EVIDENCE, DISTANCE),
    ),
)
