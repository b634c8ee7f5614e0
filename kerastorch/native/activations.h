/* Activations, and their derivatives from their outputs. */
#include <float.h>
#include <stdint.h>
#include <string.h>

#include "product.h"

/* Each derivative follows from the output. A NaN stays one: a comparison with it is false. */
enum { LINEAR, SIGMOID, TANH, RELU, HARD_SIGMOID, HARD_SIGMOID_KERAS2, RELU6, LEAKY_RELU, SOFTSIGN };

/* e^x for x in -87 .. 88, within 2 units in the last place: 2^n e^r, |r| <= ln(2)/2. */
INLINE float exponential(float x) {
    x = x > 88.0f ? 88.0f : x;
    x = x < -87.0f ? -87.0f : x;
    const float nearest = 12582912.0f; /* adding it rounds to an integer */
    float n = (x * 1.44269504f + nearest) - nearest;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    union { int32_t bits; float value; } two_to_n = {((int32_t)n + 127) * (1 << 23)};
    return p * two_to_n.value;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

INLINE float hyperbolic_tangent(float x) {
    /* Near 0 a polynomial (Cephes), which keeps the digits of a small x. */
    float z = x * x, size_of_x = x < 0.0f ? -x : x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float small = p * z * x + x;
    float large = 1.0f - 2.0f / (exponential(2.0f * size_of_x) + 1.0f);
    large = x < 0.0f ? -large : large;
    return size_of_x > 0.625f ? large : small;
}

#define EACH(EXPRESSION) \
    for (size j = 0; j < n; j++) { \
        float v = x[j]; \
        to[j] = (EXPRESSION); \
    } \
    break

/* to = activation(x), n elements; `to` may be `x`. */
INLINE void activate(size code, const float *x, float *to, size n) {
    switch (code) {
        case LINEAR: if (to != x) memcpy(to, x, sizeof(float) * n); break;
        case SIGMOID: EACH(sigmoid(v));
        case TANH: EACH(hyperbolic_tangent(v));
        case RELU: EACH(v < 0.0f ? 0.0f : v);
        case HARD_SIGMOID: EACH((v < -3.0f ? 0.0f : v > 3.0f ? 6.0f : v + 3.0f) / 6.0f);
        /* Where a gradient passes, on the border too, the output is not quite 0 or 1: the slope tells it by that. */
        case HARD_SIGMOID_KERAS2:
            for (size j = 0; j < n; j++) {
                float line = 0.2f * (x[j] + 2.5f), inside = line < FLT_MIN ? FLT_MIN : line;
                inside = inside > 0.99999994f ? 0.99999994f : inside;
                to[j] = line < 0.0f ? 0.0f : line > 1.0f ? 1.0f : inside;
            }
            break;
        case RELU6: EACH(v < 0.0f ? 0.0f : v > 6.0f ? 6.0f : v);
        case LEAKY_RELU: EACH(v > 0.0f ? v : 0.2f * v);
        case SOFTSIGN: EACH(v / (1.0f + (v < 0.0f ? -v : v)));
    }
}

/* to = the derivative where the activation's output is x. */
INLINE void slope(size code, const float *x, float *to, size n) {
    switch (code) {
        case LINEAR:
            for (size j = 0; j < n; j++) to[j] = 1.0f;
            break;
        case SIGMOID: EACH(v * (1.0f - v));
        case TANH: EACH(1.0f - v * v);
        case RELU: EACH(v > 0.0f ? 1.0f : 0.0f);
        case HARD_SIGMOID: EACH(v > 0.0f && v < 1.0f ? 1.0f / 6.0f : 0.0f);
        case HARD_SIGMOID_KERAS2: EACH(v > 0.0f && v < 1.0f ? 0.2f : 0.0f);
        case RELU6: EACH(v > 0.0f && v < 6.0f ? 1.0f : 0.0f);
        case LEAKY_RELU: EACH(v > 0.0f ? 1.0f : 0.2f);
        case SOFTSIGN: EACH((1.0f - (v < 0.0f ? -v : v)) * (1.0f - (v < 0.0f ? -v : v)));
    }
}
