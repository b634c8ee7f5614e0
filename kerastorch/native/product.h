/* A matrix product whose right factor is packed once and used at every step. */
#pragma once

#include <stdlib.h>
#include <string.h>

/* A panel is COLS vectors wide; ROWS x COLS sums are kept in registers. */
#if defined(__AVX512F__)
#define LANES 16
#define ROWS 6
#define COLS 4
#elif defined(__AVX2__)
#define LANES 8
#define ROWS 6
#define COLS 2
#else
#define LANES 4
#define ROWS 4
#define COLS 2
#endif
enum { WIDTH = COLS * LANES };
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose_vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))

typedef long long size;

/* A matrix of `in` rows and `out` columns, cut into panels of WIDTH columns; the last one is filled up with zeros. */
typedef struct {
    size in, out;
    float *panels;
} Pack;

static size panels_of(size out) { return (out + WIDTH - 1) / WIDTH; }

/* Of w[row, column] = source[row * down + column * along]. */
static int pack(Pack *p, const float *source, size in, size out, size down, size along) {
    p->in = in, p->out = out;
    size bytes = panels_of(out) * in * WIDTH * (size)sizeof(float);
    p->panels = aligned_alloc(64, (size_t)((bytes + 63) / 64 * 64));
    if (!p->panels) return 0;
    for (size first = 0; first < out; first += WIDTH) {
        float *panel = p->panels + first * in;
        size width = out - first < WIDTH ? out - first : WIDTH;
        if (width < WIDTH) memset(panel, 0, sizeof(float) * WIDTH * in);
        if (along == 1)
            for (size k = 0; k < in; k++) memcpy(panel + k * WIDTH, source + k * down + first, sizeof(float) * width);
        else /* by blocks that stay in the first cache */
            for (size k0 = 0; k0 < in; k0 += LANES)
                for (size j = 0; j < width; j++)
                    for (size k = k0; k < in && k < k0 + LANES; k++)
                        panel[k * WIDTH + j] = source[k * down + (first + j) * along];
    }
    return 1;
}

/* out[r, :] = base[r, :] + x[r, :] @ panel, for `rows` rows and the first `width` columns of a panel of `cols` vectors. */
INLINE void tile(int rows, int cols, const float *x, size x_row, const float *panel, size in, const float *base,
                 size base_row, float *out, size out_row, size width) {
    vec sums[ROWS][COLS];
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) sums[r][c] = (vec){0};
    for (size k = 0; k < in; k++) {
        vec w[COLS];
        for (int c = 0; c < cols; c++) w[c] = *(const vec *)(panel + k * WIDTH + c * LANES);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < cols; c++) sums[r][c] += x[r * x_row + k] * w[c];
    }
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++) {
            size at = c * LANES;
            const float *from = base ? base + r * base_row + at : NULL;
            float *to = out + r * out_row + at;
            if (at + LANES <= width) {
                *(loose_vec *)to = from ? sums[r][c] + *(const loose_vec *)from : sums[r][c];
            } else {
                for (size j = 0; at + j < width; j++) to[j] = (from ? from[j] : 0.0f) + sums[r][c][j];
            }
        }
}

#define TILE(R, C) \
    case R * 8 + C: tile(R, C, x, x_row, panel, in, base, base_row, out, out_row, width); break;
#if COLS == 4
#define TILES(R) TILE(R, 1) TILE(R, 2) TILE(R, 3) TILE(R, 4)
#else
#define TILES(R) TILE(R, 1) TILE(R, 2)
#endif

static void some_tile(int rows, const float *x, size x_row, const float *panel, size in, const float *base,
                      size base_row, float *out, size out_row, size width) {
    int cols = (int)((width + LANES - 1) / LANES);
    switch (rows * 8 + cols) {
        TILES(1) TILES(2) TILES(3) TILES(4)
#if ROWS == 6
        TILES(5) TILES(6)
#endif
    }
}

/* The columns of one panel of `product`, from column `first` on. */
static void panel_product(const Pack *w, size first, const float *x, size x_row, size rows, const float *base,
                          size base_row, float *out, size out_row) {
    size blocks = (rows + ROWS - 1) / ROWS, width = w->out - first < WIDTH ? w->out - first : WIDTH;
    for (size block = 0; block < blocks; block++) {
        size from = rows * block / blocks, to = rows * (block + 1) / blocks;
        some_tile((int)(to - from), x + from * x_row, x_row, w->panels + first * w->in, w->in,
                  base ? base + from * base_row + first : NULL, base_row, out + from * out_row + first, out_row, width);
    }
}

/* out = base + x @ w for `rows` rows; `base` may be `out`, or NULL for zeros; base_row 0: the same for every row. */
static void product(const Pack *w, const float *x, size x_row, size rows, const float *base, size base_row, float *out,
                    size out_row) {
    for (size first = 0; first < w->out; first += WIDTH)
        panel_product(w, first, x, x_row, rows, base, base_row, out, out_row);
}
