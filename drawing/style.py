"""The look of every picture: colours, sizes of text and distances, in CSS pixels."""

INK, MUTED, LINE = "#1a202c", "#5a6578", "#cbd2dc"
PAPER = "#ffffff"
MARK = "#e11d48"  # outlines of chosen cells: on neither of the colour maps
TITLE, HEADING, BODY, SMALL = 17.0, 13.0, 12.0, 11.0
MARGIN, GAP = 24.0, 24.0
LEADING = 1.4  # how far apart lines of text stand, of their size
