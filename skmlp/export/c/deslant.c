/* Shear an image so that its principal axis becomes upright. Rows are shifted by multiples of 1/256 pixel. */
static void deslant(const uint8_t *pixels, int height, int width, double max_shear, uint8_t *upright)
{
    uint64_t ink = 0, row_moment = 0, column_moment = 0, row_square = 0, product = 0;
    for (int row = 0; row < height; row++) {
        const uint64_t i = (uint64_t)row;
        uint32_t line_ink = 0, line_moment = 0;
        for (int column = 0; column < width; column++) {
            const uint32_t pixel = pixels[row * width + column];
            line_ink += pixel;
            line_moment += (uint32_t)column * pixel;
        }
        ink += line_ink;
        row_moment += i * line_ink;
        column_moment += line_moment;
        row_square += i * i * line_ink;
        product += i * line_moment;
    }
    /* The mean row, times the total, and the variance and the covariance, times its square, are integers. They are exact
       for images of up to 80 x 80 pixels. */
    const double total = ink > 0 ? (double)ink : 1, mean_row = (double)row_moment;
    const double variance = total * (double)row_square - mean_row * mean_row;
    const double covariance = total * (double)product - mean_row * (double)column_moment;
    const double shear = variance > 0 ? fmax(-max_shear, fmin(covariance / variance, max_shear)) : 0;
    const int32_t outside = 256 * ((int32_t)width + 1); /* shift beyond the image */
    for (int row = 0; row < height; row++) {
        const double steps = rint(shear * ((row * total - mean_row) / total) * 256);
        const int32_t shift = (int32_t)fmax(-outside, fmin(steps, outside));
        const int32_t whole = (shift + outside) / 256 - (width + 1), fraction = shift - 256 * whole;
        const uint8_t *line = pixels + row * width;
        int32_t first = whole >= 0 && whole < width ? line[whole] : 0;
        for (int column = 0; column < width; column++) {
            const int32_t next = column + whole + 1;
            const int32_t second = next >= 0 && next < width ? line[next] : 0;
            *upright++ = (uint8_t)((256 * first + fraction * (second - first) + 128) / 256);
            first = second;
        }
    }
}
