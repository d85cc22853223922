"""Numbers as text."""


def format_number(number):
    """Return an integer with separators of thousands."""
    return f"{number:,}"


def format_count(number, noun):
    """Return a count with its noun: "1 epoch", "1,437 images"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def format_percent(fraction, decimals=2):
    """Return a fraction as a percentage, with more decimals if it is less than 100 % but would be rounded to it."""
    if fraction < 1 and float(f"{100 * fraction:.{decimals}f}") == 100:
        return format_percent(fraction, decimals + 1)
    return f"{100 * fraction:.{decimals}f} %"


def format_probability(probability):
    """Return a probability as a percentage that is 0 or 100 % only if it is exactly 0 or 1."""
    if 0 < probability < 0.001:
        return "< 0.1 %"
    if 0.999 < probability < 1:
        return "> 99.9 %"
    return format_percent(probability, 1)


def format_p_value(p_value):
    """Return a p-value with two significant digits, as an equation or inequality."""
    return f"p = {p_value:.2g}" if p_value >= 0.0001 else "p < 0.0001"


def format_duration(seconds):
    """Return a duration in a suitable unit."""
    for limit, factor, unit in ((999.5e-6, 1e6, "µs"), (0.9995, 1e3, "ms"), (120, 1, "s")):
        if seconds < limit:
            return f"{factor * seconds:.3g} {unit}"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def format_size(n_bytes):
    """Return a number of bytes in a suitable unit."""
    for limit, factor, unit in ((1000, 1, "B"), (999.5e3, 1e3, "kB"), (999.5e6, 1e6, "MB")):
        if n_bytes < limit:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes / 1e9:.3g} GB"
