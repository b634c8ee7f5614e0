/* What the recurrences of steps.c have in common: their arguments, the recurrent product, and a part of the batch. */
#include <stdint.h>

#include "convolution.h"

/* One recurrence; the same fields as `Walk` in __init__.py. Which of them count depends on the function. */
typedef struct {
    size steps, batch, units;   /* batch: of a convolution, the places of all images */
    size activation, recurrent; /* as in activations.h */
    size drops;                 /* masks in `drop`: 0, 1 for all gates, or one for each gate */
    size keep;                  /* forward: whether a backward pass follows */
    size grad_step, grad_row;
    size threads;
    Window window;      /* of a convolution in the place of the recurrent product */
    void *parallel;     /* GOMP_parallel of the OpenMP that torch runs on; NULL: one thread */
    const float *w;     /* (G*U, U); of a convolution a matrix for each line of the kernel, see `prepare` */
    const float *bias;  /* GRU: (G*U,), or NULL */
    const float *drop;  /* (drops, B, U), or NULL */
    const uint8_t *use; /* or NULL: every step counts */
    float *gates;       /* forward: in, the inputs' part, and out, what they are; backward: in */
    float *h;           /* history */
    float *c;           /* LSTM: history; without `keep` (B, U): in, the initial cell, and out, the final one */
    float *hidden;      /* GRU with `keep`: (T, B, U) of h W_n + b_n */
    const float *grad;  /* backward: (T, B, U), of the outputs, a step after `grad_step` elements, a row (an image) after `grad_row` */
    float *dh;          /* out, (B, U): of the initial state */
    float *dc;          /* LSTM, (B, U): in, of the final cell; out, of the initial one */
    float *dgates;      /* out; GRU: (T, B, 4*U), of n's recurrent side, r, z and n's input side */
} Walk;

/* The recurrent product: one matrix, or one for each gate that has a dropout mask of its own; of a convolution one for
 * each line of the kernel in the place of each. */
typedef struct {
    size parts, width; /* columns of a part of the gates */
    const float *drop; /* of the first part */
    size drop_step;    /* from the mask of a part to that of the next */
    int back;          /* for gradients: from the gates to the state */
    size made;
    Pack *packs;       /* (parts, lines) */
} Recurrent;

/* Of `gates` gates from `first` on. The matrices of a convolution come as they are packed: (parts, lines, in, out). */
static int prepare(Recurrent *p, const Walk *walk, size first, size gates, int back) {
    size units = walk->units, each = walk->drops > 1, lines = lines_of(&walk->window), across = walk->window.kernel[2];
    p->parts = each ? gates : 1;
    p->width = each ? units : gates * units;
    p->drop_step = each ? walk->batch * units : 0;
    p->drop = walk->drop ? walk->drop + first * p->drop_step : NULL;
    p->back = back;
    p->packs = malloc(sizeof(Pack) * (size_t)(p->parts * lines));
    if (!p->packs) return 0;
    for (p->made = 0; p->made < p->parts * lines; p->made++) {
        Pack *next = &p->packs[p->made];
        size in = back ? p->width : units, out = back ? units : p->width, done;
        if (across) {
            done = pack(next, walk->w + p->made * across * in * out, across * in, out, out, 1);
        } else {
            const float *w = walk->w + (first * units + p->made * p->width) * units;
            done = back ? pack(next, w, in, out, units, 1) : pack(next, w, in, out, 1, units);
        }
        if (!done) return 0;
    }
    return 1;
}

static void release(Recurrent *p) {
    while (p->made > 0) free(p->packs[--p->made].panels);
    free(p->packs);
}

/* Some rows of the batch, all steps of them; of images all places. */
typedef struct {
    const Walk *walk;
    const Recurrent *product, *second; /* the second: of the candidate of a GRU with its reset gate before */
    size from, rows;
    float *dropped;  /* (rows, U) */
    float *products; /* (rows, 3*U) */
    float *row;      /* (ROOM_OF_A_BLOCK * block(walk) * U,) */
    float *padded;   /* an image with zeros around it */
} Part;

enum { ROOM = 4, ROOM_OF_A_BLOCK = 13 }; /* of each row, and once; times U */

/* How many rows the pointwise work takes at once: vectors of few units are too short for it. */
INLINE size block(const Walk *walk) { return walk->units < 128 ? (127 + walk->units) / walk->units : 1; }

/* The place of the part's rows in an array (.., B, width) at a step. */
INLINE size place(const Part *p, size step, size width) { return (step * p->walk->batch + p->from) * width; }

INLINE int counts(const Part *p, size step, size row) {
    return !p->walk->use || p->walk->use[step * p->walk->batch + p->from + row];
}

/* How many rows from `row` on, up to a block of them, count as this one does. */
INLINE size alike(const Part *p, size step, size row) {
    size most = block(p->walk), left = p->rows - row, found = 1;
    if (most > left) most = left;
    if (!p->walk->use) return most;
    while (found < most && !counts(p, step, row + found) == !counts(p, step, row)) found++;
    return found;
}

/* out = base + x @ one part of the product. */
static void times(const Recurrent *w, size part, const Part *p, const float *x, size x_row, const float *base,
                  size base_row, float *out, size out_row) {
    const Window *window = &p->walk->window;
    const Pack *packs = w->packs + part * lines_of(window);
    if (!window->kernel[0]) {
        product(packs, x, x_row, p->rows, base, base_row, out, out_row);
        return;
    }
    size places = places_of(window), channels = w->back ? w->width : p->walk->units;
    for (size row = 0; row < p->rows; row += places) {
        surround(window, w->back, x + row * x_row, x_row, channels, p->padded);
        convolve(window, packs, p->padded, channels, base ? base + row * base_row : NULL, base_row,
                 out + row * out_row, out_row);
    }
}

/* out = base + dropped(h) @ w. */
static void add_product(const Recurrent *w, const Part *p, const float *h, const float *base, size base_row, float *out,
                        size out_row) {
    size units = p->walk->units;
    for (size part = 0; part < w->parts; part++) {
        if (w->drop) {
            const float *drop = w->drop + part * w->drop_step + p->from * units;
            for (size j = 0; j < p->rows * units; j++) p->dropped[j] = h[j] * drop[j];
        }
        times(w, part, p, w->drop ? p->dropped : h, units, base ? base + part * w->width : NULL, base_row,
              out + part * w->width, out_row);
    }
}

/* out = base + the gradient of h by way of the product; `base` is `out`, or NULL for zeros. */
static void add_product_back(const Recurrent *w, const Part *p, const float *dgates, size dgates_row, const float *base,
                             float *out) {
    size units = p->walk->units, n = p->rows * units;
    if (!w->drop) {
        times(w, 0, p, dgates, dgates_row, base, units, out, units);
        return;
    }
    if (!base) memset(out, 0, sizeof(float) * n);
    for (size part = 0; part < w->parts; part++) {
        const float *drop = w->drop + part * w->drop_step + p->from * units;
        times(w, part, p, dgates + part * w->width, dgates_row, NULL, 0, p->dropped, units);
        for (size j = 0; j < n; j++) out[j] += p->dropped[j] * drop[j];
    }
}

INLINE void copy(float *to, const float *from, size n) { memcpy(to, from, sizeof(float) * n); }
INLINE void clear(float *to, size n) { memset(to, 0, sizeof(float) * n); }

/* The gates of some rows with each gate in one piece, and back: (rows, G, U) <-> (G, rows, U). */
INLINE void collect(const float *from, size rows, size gates, size n, float *to) {
    for (size row = 0; row < rows; row++)
        for (size gate = 0; gate < gates; gate++) copy(to + (gate * rows + row) * n, from + (row * gates + gate) * n, n);
}

INLINE void spread(const float *from, size rows, size gates, size n, float *to) {
    for (size row = 0; row < rows; row++)
        for (size gate = 0; gate < gates; gate++) copy(to + (row * gates + gate) * n, from + (gate * rows + row) * n, n);
}

/* dh += the gradient of the outputs of a step, for `rows` rows. */
INLINE void add_grad(const Part *p, size step, size row, size rows, float *restrict dh) {
    const Walk *walk = p->walk;
    size places = places_of(&walk->window);
    for (size at = p->from + row, end = at + rows, many; at < end; at += many, dh += many * walk->units) {
        many = places - at % places < end - at ? places - at % places : end - at;
        const float *restrict grad =
            walk->grad + step * walk->grad_step + at / places * walk->grad_row + at % places * walk->units;
        for (size j = 0; j < many * walk->units; j++) dh[j] += grad[j];
    }
}

/* Where the walk back begins: the gradient of the last outputs. */
static void begin_back(const Part *p) {
    size n = p->walk->units;
    float *dh = p->walk->dh + place(p, 0, n);
    clear(dh, p->rows * n);
    add_grad(p, p->walk->steps - 1, 0, p->rows, dh);
}
