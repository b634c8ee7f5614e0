/* What the recurrences of steps.c have in common: their arguments, the recurrent product, and a part of the batch. */
#include <stdint.h>

#include "product.h"

/* One recurrence; the same fields as `Walk` in __init__.py. Which of them count depends on the function. */
typedef struct {
    size steps, batch, units;
    size activation, recurrent; /* as in activations.h */
    size drops;                 /* masks in `drop`: 0, 1 for all gates, or one for each gate */
    size keep;                  /* forward: whether a backward pass follows */
    size grad_step, grad_row;
    size threads;
    void *parallel;     /* GOMP_parallel of the OpenMP that torch runs on; NULL: one thread */
    const float *w;     /* (G*U, U) */
    const float *bias;  /* GRU: (G*U,), or NULL */
    const float *drop;  /* (drops, B, U), or NULL */
    const uint8_t *use; /* or NULL: every step counts */
    float *gates;       /* forward: in, the inputs' part, and out, what they are; backward: in */
    float *h;           /* history */
    float *c;           /* LSTM: history; without `keep` (B, U): in, the initial cell, and out, the final one */
    float *hidden;      /* GRU with `keep`: (T, B, U) of h W_n + b_n */
    const float *grad;  /* backward: (T, B, U), of the outputs, a step after `grad_step` elements, a row after `grad_row` */
    float *dh;          /* out, (B, U): of the initial state */
    float *dc;          /* LSTM, (B, U): in, of the final cell; out, of the initial one */
    float *dgates;      /* out; GRU: (T, B, 4*U), of n's recurrent side, r, z and n's input side */
} Walk;

enum { MOST_GATES = 4 };

/* The recurrent product: one matrix, or one for each gate that has a dropout mask of its own. */
typedef struct {
    size parts, width; /* columns of a part of the gates */
    const float *drop; /* of the first part */
    size drop_step;    /* from the mask of a part to that of the next */
    Pack pack[MOST_GATES];
} Recurrent;

/* Of `gates` gates from `first` on; `back`: for gradients, from the gates to the state. */
static int prepare(Recurrent *p, const Walk *walk, size first, size gates, int back) {
    size units = walk->units, each = walk->drops > 1;
    p->parts = each ? gates : 1;
    p->width = each ? units : gates * units;
    p->drop_step = each ? walk->batch * units : 0;
    p->drop = walk->drop ? walk->drop + first * p->drop_step : NULL;
    for (size part = 0; part < p->parts; part++) {
        const float *w = walk->w + (first * units + part * p->width) * units;
        int made = back ? pack(&p->pack[part], w, p->width, units, units, 1)
                        : pack(&p->pack[part], w, units, p->width, 1, units);
        if (!made) return p->parts = part, 0;
    }
    return 1;
}

static void release(Recurrent *p) {
    for (size part = 0; part < p->parts; part++) free(p->pack[part].panels);
}

/* Some rows of the batch, all steps of them. */
typedef struct {
    const Walk *walk;
    const Recurrent *product, *second; /* the second: of the candidate of a GRU with its reset gate before */
    size from, rows;
    float *dropped;  /* (rows, U) */
    float *products; /* (rows, 3*U) */
    float *row;      /* (5*U,) */
} Part;

enum { ROOM = 4, ROOM_OF_A_ROW = 5 }; /* of each row, and once; times U */

/* The place of the part's rows in an array (.., B, width) at a step. */
INLINE size place(const Part *p, size step, size width) { return (step * p->walk->batch + p->from) * width; }

INLINE int counts(const Part *p, size step, size row) {
    return !p->walk->use || p->walk->use[step * p->walk->batch + p->from + row];
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
        product(&w->pack[part], w->drop ? p->dropped : h, units, p->rows, base ? base + part * w->width : NULL,
                base_row, out + part * w->width, out_row);
    }
}

/* out = base + the gradient of h by way of the product; `base` is `out`, or NULL for zeros. */
static void add_product_back(const Recurrent *w, const Part *p, const float *dgates, size dgates_row, const float *base,
                             float *out) {
    size units = p->walk->units, n = p->rows * units;
    if (!w->drop) {
        product(&w->pack[0], dgates, dgates_row, p->rows, base, units, out, units);
        return;
    }
    if (!base) memset(out, 0, sizeof(float) * n);
    for (size part = 0; part < w->parts; part++) {
        const float *drop = w->drop + part * w->drop_step + p->from * units;
        product(&w->pack[part], dgates + part * w->width, dgates_row, p->rows, NULL, 0, p->dropped, units);
        for (size j = 0; j < n; j++) out[j] += p->dropped[j] * drop[j];
    }
}

INLINE void copy(float *to, const float *from, size n) { memcpy(to, from, sizeof(float) * n); }
INLINE void clear(float *to, size n) { memset(to, 0, sizeof(float) * n); }

/* dh += the gradient of the outputs of a step. */
INLINE void add_grad(const Part *p, size step, size row, float *restrict dh) {
    const Walk *walk = p->walk;
    const float *restrict grad = walk->grad + step * walk->grad_step + (p->from + row) * walk->grad_row;
    for (size j = 0; j < walk->units; j++) dh[j] += grad[j];
}

/* Where the walk back begins: the gradient of the last outputs. */
static void begin_back(const Part *p) {
    size n = p->walk->units;
    float *dh = p->walk->dh + place(p, 0, n);
    clear(dh, p->rows * n);
    for (size row = 0; row < p->rows; row++) add_grad(p, p->walk->steps - 1, row, dh + row * n);
}
