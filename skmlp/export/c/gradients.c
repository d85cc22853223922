/* Return a pixel, 0 outside of the image. */
static {{ pixel_type }} get_pixel(const {{ feature_type }} *pixels, int height, int width, int y, int x)
{
    return y < 0 || y >= height || x < 0 || x >= width ? 0 : pixels[y * width + x];
}

/* Compute the root of the average strength of the gradient in eight directions, around the points of a grid. */
static void compute_gradients(
    const {{ feature_type }} *pixels, int height, int width, float scale, const float *vertical_weights, int n_rows,
    const float *horizontal_weights, float *strengths)
{
    enum { n_columns = {{ n_columns }}, n_sums = 8 * n_columns };
    float sums[n_sums]; /* of one row of pixels, in each direction */
    for (int i = 0; i < n_sums * n_rows; i++)
        strengths[i] = 0;
    for (int y = 0; y < height; y++) {
        for (int i = 0; i < n_sums; i++)
            sums[i] = 0;
        for (int x = 0; x < width; x++) {
            /* Sobel filters, divided by 4; pixels outside of the image are 0. */
            {{ pixel_type }} pixel[3][3];
            for (int i = 0; i < 3; i++)
                for (int j = 0; j < 3; j++)
                    pixel[i][j] = get_pixel(pixels, height, width, y + i - 1, x + j - 1);
            const {{ pixel_type }} down_right = pixel[2][2] - pixel[0][0], up_right = pixel[0][2] - pixel[2][0];
            const {{ pixel_type }} right = down_right + up_right + 2 * (pixel[1][2] - pixel[1][0]);
            const {{ pixel_type }} down = down_right - up_right + 2 * (pixel[2][1] - pixel[0][1]);
            if (right == 0 && down == 0)
                continue;
            const float horizontal = scale / 4 * (float)right, vertical = scale / 4 * (float)down;
            const float root = 0.70710678f;
            const float falling = root * (vertical + horizontal), rising = root * (vertical - horizontal);
            /* Components along the first four directions, and across them, up to their sign */
            const float along[4] = {horizontal, falling, vertical, rising};
            const float across[4] = {vertical, rising, horizontal, falling};
            for (int direction = 0; direction < 4; direction++) {
                const float strength = fabsf(along[direction]) - fabsf(across[direction]);
                const int first = n_columns * (along[direction] > 0 ? direction : direction + 4);
                if (strength > 0)
                    for (int column = 0; column < n_columns; column++)
                        sums[first + column] += strength * horizontal_weights[column * width + x];
            }
        }
        for (int i = 0; i < n_sums; i++) {
            const int first = i / n_columns * n_rows * n_columns + i % n_columns;
            if (sums[i] > 0)
                for (int row = 0; row < n_rows; row++)
                    strengths[first + row * n_columns] += vertical_weights[row * height + y] * sums[i];
        }
    }
    for (int i = 0; i < n_sums * n_rows; i++)
        strengths[i] = sqrtf(strengths[i] + {{ offset }}) - {{ offset_root }};
}
