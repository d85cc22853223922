/* Return the length of the intersection of two intervals that overlap, of the given sizes. */
static uint32_t measure_overlap(int32_t start, int32_t size, int32_t other_start, int32_t other_size)
{
    const int32_t end = start + size, other_end = other_start + other_size;
    return (uint32_t)((end < other_end ? end : other_end) - (start > other_start ? start : other_start));
}

/* Change the size of an image. Each new pixel is the mean of the area that it covers, and means that end in .5 are
   rounded down. In the units of the intervals, an old pixel has the size new_height x new_width, and a new pixel has the
   size height x width. */
static void resize(const uint8_t *pixels, int height, int width, int new_height, int new_width, uint8_t *resized)
{
    const uint32_t area = (uint32_t)height * (uint32_t)width, rounding = area / 1000 * 499 + area % 1000 * 499 / 1000;
    for (int32_t top = 0; top < (int32_t)new_height * height; top += height)
        for (int32_t left = 0; left < (int32_t)new_width * width; left += width) {
            uint32_t sum = 0;
            for (int32_t row = top / new_height; row * new_height < top + height; row++) {
                const uint32_t rows = measure_overlap(row * new_height, new_height, top, height);
                for (int32_t column = left / new_width; column * new_width < left + width; column++)
                    sum += rows * measure_overlap(column * new_width, new_width, left, width) * pixels[row * width + column];
            }
            *resized++ = (uint8_t)((sum + rounding) / area);
        }
}
