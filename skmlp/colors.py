"""Colors of plots and of HTML."""

# Blue, orange, green, purple and gray. People with the common kinds of color blindness can tell them apart; the first
# two differ in lightness as well. Their contrast to white and to dark gray is at least 3.
COLORS = ("#2b7fd4", "#d4661a", "#2a9070", "#a768c9", "#808080")
TRAINING_COLOR, VALIDATION_COLOR = COLORS[:2]
CORRECT_COLOR, WRONG_COLOR = COLORS[2], COLORS[1]
NEUTRAL_COLOR = COLORS[4]
