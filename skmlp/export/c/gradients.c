/* Add the strength of the gradient in one direction at a pixel to the averages around the points of a grid. */
static void spread_strength(
    float strength, const float *row_weights, int n_rows, int height, const float *column_weights, int n_columns, int width,
    float *averages)
{
    for (int row = 0; row < n_rows; row++)
        for (int column = 0; column < n_columns; column++)
            averages[row * n_columns + column] +=
                strength * row_weights[row * height] * column_weights[column * width];
}

/* Compute the root of the average strength of the gradient in eight directions, around the points of a grid. */
static void compute_gradients(
    const {{ feature_type }} *pixels, int height, int width, float scale, const float *row_weights, int n_rows,
    const float *column_weights, int n_columns, float *strengths)
{
    const int n_points = n_rows * n_columns;
    for (int i = 0; i < 8 * n_points; i++)
        strengths[i] = 0;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            /* Sobel filters, divided by 4; pixels outside of the image are 0. */
            float horizontal = 0, vertical = 0;
            for (int i = -1; i <= 1; i++) {
                for (int j = -1; j <= 1; j++) {
                    if (y + i < 0 || y + i >= height || x + j < 0 || x + j >= width)
                        continue;
                    const float pixel = scale / 4 * (float)pixels[(y + i) * width + x + j];
                    horizontal += (float)(j * (i == 0 ? 2 : 1)) * pixel;
                    vertical += (float)(i * (j == 0 ? 2 : 1)) * pixel;
                }
            }
            const float root = 0.70710678f;
            const float falling = root * (vertical + horizontal), rising = root * (vertical - horizontal);
            /* Components along the first four directions, and across them, up to their sign */
            const float along[4] = {horizontal, falling, vertical, rising};
            const float across[4] = {vertical, rising, horizontal, falling};
            for (int direction = 0; direction < 4; direction++) {
                const float strength = fabsf(along[direction]) - fabsf(across[direction]);
                const int signed_direction = along[direction] > 0 ? direction : direction + 4;
                if (strength > 0)
                    spread_strength(strength, row_weights + y, n_rows, height, column_weights + x, n_columns, width,
                                    strengths + signed_direction * n_points);
            }
        }
    }
    for (int i = 0; i < 8 * n_points; i++)
        strengths[i] = sqrtf(strengths[i] + {{ offset }}) - {{ offset_root }};
}
