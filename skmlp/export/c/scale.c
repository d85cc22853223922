/* Scale an image along its lines, which are rows or columns, so that the standard deviation of the positions of the ink
   is `spread` times the length of a line, and move the mean position to the middle. Neighbors in a line are `step`
   pixels apart, the lines `line_step`. */
static void scale(
    const uint8_t *pixels, int n_lines, int length, int line_step, int step, double spread, uint8_t *scaled)
{
    uint64_t ink = 0, moment = 0, square = 0;
    for (int line = 0; line < n_lines; line++) {
        for (int i = 0; i < length; i++) {
            const uint64_t position = (uint64_t)i, pixel = pixels[line * line_step + i * step];
            ink += pixel;
            moment += position * pixel;
            square += position * position * pixel;
        }
    }
    /* Where the middle is sampled, and the distance between the samples, in units of 1 / 256 pixel */
    int32_t center = 128 * (length - 1), distance = 256;
    if (ink > 0) {
        /* The variance, times the square of the ink, is an integer. It is exact for images of up to 70 x 70 pixels. */
        const double total = (double)ink, first = (double)moment;
        const double variance = fmax(0, total * (double)square - first * first) / (total * total);
        center = (int32_t)rint(256 * (first / total));
        /* An image becomes at most twice as large, and at least 2/3 times. */
        distance = (int32_t)rint(256 * fmax(0.5, fmin(sqrt(variance) / (spread * length), 1.5)));
    }
    for (int line = 0; line < n_lines; line++) {
        const uint8_t *old = pixels + line * line_step;
        for (int i = 0; i < length; i++) {
            /* In units of 1 / 512 pixel, from one pixel before the line */
            const int32_t from_left = 2 * center + distance * (2 * i - (length - 1)) + 512 * (length + 1);
            const int32_t whole = from_left / 512 - (length + 1), fraction = from_left % 512;
            const int32_t first = whole >= 0 && whole < length ? old[whole * step] : 0;
            const int32_t second = whole >= -1 && whole < length - 1 ? old[(whole + 1) * step] : 0;
            scaled[line * line_step + i * step] = (uint8_t)((512 * first + fraction * (second - first) + 256) / 512);
        }
    }
}
