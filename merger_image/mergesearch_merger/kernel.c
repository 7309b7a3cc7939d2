/* The sums of kernel.py for tiles of which all inputs and the output are bf16; kernel.py says what is computed, and its
 * numpy is the reference: the same bytes, and the same counts of what is not finite. compiled.py calls it.
 *
 * No element meets another, so neither blocks nor the width of a processor's registers can change a bit. What could is a
 * product and a sum in one rounding, and arithmetic that is not that of IEEE 754: hatch_build.py compiles with
 * -ffp-contract=off, and the lines below refuse the rest. No pointer needs to be aligned.
 */

#include <float.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "this compiler or machine does not round every product and sum to fp32"
#endif

/* compiled.py holds the same number; it changes with the parameters or the meaning of a function. */
#define ABI 1

/* Elements of a block: its sums, and as many of eight inputs, stay in a cache of 32 KiB. */
#define BLOCK 1024

/* Bits of fp32 without the sign: the smallest that rounds to infinity in bf16, and infinity, above which is NaN. */
#define OVERFLOW 0x7F7F8000u
#define INFINITE 0x7F800000u

#define INLINED static inline __attribute__((always_inline))
#define EXPORTED __attribute__((visibility("default")))
#define PARAMETERS \
    int64_t first, int64_t elements, int64_t sources, int64_t candidates, const unsigned char *const *inputs, \
        const float *weights, const unsigned char *taken, unsigned char *const *outputs, int64_t *not_finite
#define ARGUMENTS first, elements, sources, candidates, inputs, weights, taken, outputs, not_finite

INLINED float widened(const unsigned char *stored, int64_t element)
{
    uint16_t half;
    memcpy(&half, stored + 2 * element, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Adds half a unit of the last place, one bit less where the kept part is even, and cuts. Counts NaN and infinities. */
INLINED void rounded(const float *sums, int64_t elements, unsigned char *into, int64_t *not_finite)
{
    uint32_t nans = 0, overflows = 0;
    for (int64_t i = 0; i < elements; i++) {
        uint32_t bits;
        memcpy(&bits, &sums[i], sizeof bits);
        /* As signed numbers, which all processors compare: without the sign none is negative. */
        int32_t size = (int32_t)(bits & 0x7FFFFFFFu);
        nans += size > (int32_t)INFINITE;
        overflows += size >= (int32_t)OVERFLOW;
        uint16_t half = (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
        memcpy(into + 2 * i, &half, sizeof half);
    }
    not_finite[0] += nans;
    not_finite[1] += overflows - nans;
}

/* One candidate's sums of a block. The first input that is taken begins them: 0 x infinity must not happen. */
INLINED void summed(float *sums, int64_t begin, int64_t elements, int64_t sources, const unsigned char *const *inputs,
                    const float *weights, const unsigned char *taken)
{
    int64_t source = 0;
    while (source < sources && !taken[source])
        source++;
    if (source == sources) {
        memset(sums, 0, (size_t)elements * sizeof *sums);
        return;
    }
    const unsigned char *stored = inputs[source] + 2 * begin;
    float weight = weights[source];
    for (int64_t i = 0; i < elements; i++)
        sums[i] = widened(stored, i) * weight;
    while (++source < sources) {
        if (!taken[source])
            continue;
        stored = inputs[source] + 2 * begin;
        weight = weights[source];
        for (int64_t i = 0; i < elements; i++) {
            float product = widened(stored, i) * weight;
            sums[i] = sums[i] + product;
        }
    }
}

/* Elements `first` to `first + elements` of every candidate; row c of `weights`, `taken` and `not_finite` is that of
 * candidate c, and `taken` says which inputs it has. Returns how many elements are not finite, of all candidates.
 * Widening a block once more for each candidate takes less than keeping it widened: 16 bits are read and not 32. */
INLINED int64_t merged(PARAMETERS)
{
    float sums[BLOCK];
    memset(not_finite, 0, (size_t)candidates * 2 * sizeof *not_finite);
    for (int64_t end = first + elements; first < end; first += BLOCK) {
        int64_t count = end - first < BLOCK ? end - first : BLOCK;
        for (int64_t c = 0; c < candidates; c++) {
            summed(sums, first, count, sources, inputs, weights + c * sources, taken + c * sources);
            rounded(sums, count, outputs[c] + 2 * first, not_finite + 2 * c);
        }
    }
    int64_t bad = 0;
    for (int64_t i = 0; i < 2 * candidates; i++)
        bad += not_finite[i];
    return bad;
}

EXPORTED int merge_abi(void) { return ABI; }

EXPORTED int64_t merge_bf16_plain(PARAMETERS) { return merged(ARGUMENTS); }

#if defined(__x86_64__)
#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl"
EXPORTED __attribute__((target("avx2"))) int64_t merge_bf16_avx2(PARAMETERS) { return merged(ARGUMENTS); }
EXPORTED __attribute__((target(AVX512))) int64_t merge_bf16_avx512(PARAMETERS) { return merged(ARGUMENTS); }
#endif

/* By what the processor has. Asked at each call, which costs nothing beside a tile, and needs nothing of the C library:
 * indirect functions, which `target_clones` makes, not every one of them has. */
EXPORTED int64_t merge_bf16(PARAMETERS)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return merge_bf16_avx512(ARGUMENTS);
    if (__builtin_cpu_supports("avx2"))
        return merge_bf16_avx2(ARGUMENTS);
#endif
    return merge_bf16_plain(ARGUMENTS);
}
