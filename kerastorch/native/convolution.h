/* Convolution with "same" padding and a stride of 1, as products of matrices.
 *
 * Channels come last, so in an image with zeros around it the values under one line of the kernel lie side by side: a
 * line of places is a matrix whose rows overlap, and each line of the kernel is one product with it.
 */
#pragma once

#include "product.h"

typedef struct {
    size image[3], kernel[3]; /* depth, height, width; kernel 0: there is no convolution */
} Window;

INLINE size places_of(const Window *w) { return w->kernel[0] ? w->image[0] * w->image[1] * w->image[2] : 1; }

INLINE size lines_of(const Window *w) { return w->kernel[0] ? w->kernel[0] * w->kernel[1] : 1; }

INLINE size extent(const Window *w, int axis) { return w->image[axis] + w->kernel[axis] - 1; }

/* Of an image with zeros around it; 0 without a convolution. */
INLINE size padded_places(const Window *w) {
    return w->kernel[0] ? extent(w, 0) * extent(w, 1) * extent(w, 2) : 0;
}

/* Write an image, whose places lie `x_row` apart, between the zeros of `padded`. Where the larger half of the zeros is
 * behind the image, the smaller one is there for gradients: they take the way back. */
static void surround(const Window *w, int back, const float *x, size x_row, size channels, float *padded) {
    size before[3];
    for (int axis = 0; axis < 3; axis++) before[axis] = (w->kernel[axis] - (back ? 0 : 1)) / 2;
    for (size z = 0; z < w->image[0]; z++)
        for (size y = 0; y < w->image[1]; y++) {
            size line = ((z + before[0]) * extent(w, 1) + y + before[1]) * extent(w, 2) + before[2];
            float *to = padded + line * channels;
            if (x_row == channels) {
                memcpy(to, x, sizeof(float) * w->image[2] * channels);
                x += w->image[2] * channels;
            } else {
                for (size i = 0; i < w->image[2]; i++, x += x_row, to += channels)
                    memcpy(to, x, sizeof(float) * channels);
            }
        }
}

/* out = base + the convolution of one image; one pack for each line of the kernel. */
static void convolve(const Window *w, const Pack *packs, const float *padded, size channels, const float *base,
                     size base_row, float *out, size out_row) {
    size width = w->image[2], line = extent(w, 2) * channels;
    for (size dz = 0; dz < w->kernel[0]; dz++)
        for (size dy = 0; dy < w->kernel[1]; dy++, packs++, base = out, base_row = out_row)
            for (size first = 0; first < packs->out; first += WIDTH)
                for (size z = 0; z < w->image[0]; z++)
                    for (size y = 0; y < w->image[1]; y++) {
                        size at = (z * w->image[1] + y) * width;
                        const float *x = padded + ((z + dz) * extent(w, 1) + y + dy) * line;
                        panel_product(packs, first, x, channels, width, base ? base + at * base_row : NULL, base_row,
                                      out + at * out_row, out_row);
                    }
}
