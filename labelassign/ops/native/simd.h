// Sixteen floats or eight doubles at a time, on every instruction set alike: the logical width is fixed and built from
// registers of LA_BYTES, nothing is fused, and sums have one order. So every instruction set gives the same bits.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

// One translation unit per instruction set, each in a namespace of its own. Nothing of the standard library's templates
// may be used in them: the linker would keep one copy for all, perhaps that of a set which the machine does not have.
#ifdef LA_SANITIZED
// One function of everything, with all checks in it, takes the compiler a quarter of an hour.
#define LA_INLINE inline
#else
#define LA_INLINE inline __attribute__((always_inline))
#endif

namespace LA_SET {
namespace {  // nothing here has a name outside

constexpr int kFloats = 16, kDoubles = 8, kParts = 64 / LA_BYTES;

typedef float vf __attribute__((vector_size(LA_BYTES)));
typedef int32_t vi __attribute__((vector_size(LA_BYTES)));
typedef double vd __attribute__((vector_size(LA_BYTES)));
typedef int64_t vl __attribute__((vector_size(LA_BYTES)));
typedef float vh __attribute__((vector_size(LA_BYTES / 2)));

struct F { vf p[kParts]; };
struct I { vi p[kParts]; };  // also the masks of F: all bits or none
struct D { vd p[kParts]; };
struct L { vl p[kParts]; };  // also the masks of D

#define LA_EACH(R, expression)                                   \
  R out;                                                         \
  _Pragma("GCC unroll 4") for (int k = 0; k < kParts; k++) out.p[k] = expression; \
  return out;
#define LA_OPERATORS(T, M)                                                                         \
  LA_INLINE T operator+(T a, T b) { LA_EACH(T, a.p[k] + b.p[k]) }                                  \
  LA_INLINE T operator-(T a, T b) { LA_EACH(T, a.p[k] - b.p[k]) }                                  \
  LA_INLINE T operator*(T a, T b) { LA_EACH(T, a.p[k] * b.p[k]) }                                  \
  LA_INLINE T operator/(T a, T b) { LA_EACH(T, a.p[k] / b.p[k]) }                                  \
  LA_INLINE M operator<(T a, T b) { LA_EACH(M, a.p[k] < b.p[k]) }                                  \
  LA_INLINE M operator>(T a, T b) { LA_EACH(M, a.p[k] > b.p[k]) }                                  \
  LA_INLINE M operator==(T a, T b) { LA_EACH(M, a.p[k] == b.p[k]) }                                \
  LA_INLINE T select(M m, T a, T b) { LA_EACH(T, m.p[k] ? a.p[k] : b.p[k]) }                       \
  LA_INLINE T smaller(T a, T b) { LA_EACH(T, a.p[k] < b.p[k] ? a.p[k] : b.p[k]) }                  \
  LA_INLINE T larger(T a, T b) { LA_EACH(T, a.p[k] > b.p[k] ? a.p[k] : b.p[k]) }

LA_OPERATORS(F, I)
LA_OPERATORS(D, L)
LA_INLINE I operator+(I a, I b) { LA_EACH(I, a.p[k] + b.p[k]) }
LA_INLINE I operator&(I a, I b) { LA_EACH(I, a.p[k] & b.p[k]) }
LA_INLINE I operator|(I a, I b) { LA_EACH(I, a.p[k] | b.p[k]) }
LA_INLINE I operator-(I a, I b) { LA_EACH(I, a.p[k] - b.p[k]) }
LA_INLINE I operator>(I a, I b) { LA_EACH(I, a.p[k] > b.p[k]) }
LA_INLINE I operator<<(I a, int n) { LA_EACH(I, a.p[k] << n) }
LA_INLINE L operator+(L a, L b) { LA_EACH(L, a.p[k] + b.p[k]) }
LA_INLINE L operator<<(L a, int n) { LA_EACH(L, a.p[k] << n) }
LA_INLINE I select(I m, I a, I b) { LA_EACH(I, m.p[k] ? a.p[k] : b.p[k]) }
LA_INLINE I bits(F a) { LA_EACH(I, (vi)a.p[k]) }
LA_INLINE L bits(D a) { LA_EACH(L, (vl)a.p[k]) }
LA_INLINE F from_bits(I a) { LA_EACH(F, (vf)a.p[k]) }
LA_INLINE D from_bits(L a) { LA_EACH(D, (vd)a.p[k]) }

LA_INLINE F all(float a) { LA_EACH(F, a - vf{}) }
LA_INLINE D all(double a) { LA_EACH(D, a - vd{}) }
LA_INLINE I all(int32_t a) { LA_EACH(I, a - vi{}) }
LA_INLINE L all(int64_t a) { LA_EACH(L, a - vl{}) }

// register by register: as one piece of 64 bytes a value would travel through the general registers
template <class T, class S> LA_INLINE T load(const S* from) {
  T out;
#pragma GCC unroll 4
  for (int k = 0; k < kParts; k++)
    std::memcpy(&out.p[k], reinterpret_cast<const char*>(from) + k * LA_BYTES, LA_BYTES);
  return out;
}
template <class T, class S> LA_INLINE void store(S* to, const T& a) {
#pragma GCC unroll 4
  for (int k = 0; k < kParts; k++) std::memcpy(reinterpret_cast<char*>(to) + k * LA_BYTES, &a.p[k], LA_BYTES);
}

LA_INLINE D widen(const float* from) {  // eight floats
  D out;
#pragma GCC unroll 4
  for (int k = 0; k < kParts; k++) {
    vh half;
    std::memcpy(&half, from + k * (kDoubles / kParts), sizeof half);
    out.p[k] = __builtin_convertvector(half, vd);
  }
  return out;
}

LA_INLINE I at_most(F a, F b) { LA_EACH(I, a.p[k] <= b.p[k]) }
// bit k: lane k of a mask
LA_INLINE uint32_t lanes(I m) {
  uint32_t out = 0;
#if LA_BYTES == 64 && defined(__AVX512DQ__)
  out = (uint32_t)_mm512_movepi32_mask((__m512i)m.p[0]);
#elif LA_BYTES == 32 && defined(__AVX__)
  for (int k = 0; k < kParts; k++) out |= (uint32_t)_mm256_movemask_ps((__m256)m.p[k]) << (8 * k);
#elif LA_BYTES == 16 && defined(__SSE2__)
  for (int k = 0; k < kParts; k++) out |= (uint32_t)_mm_movemask_ps((__m128)m.p[k]) << (4 * k);
#else
  int32_t l[16];
  std::memcpy(l, &m, sizeof l);
  for (int k = 0; k < 16; k++) out |= (uint32_t)(l[k] & 1) << k;
#endif
  return out;
}
LA_INLINE bool every(I m) { return lanes(m) == 0xffff; }
LA_INLINE double sum(D a) {
  double l[8];
  store(l, a);
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}
LA_INLINE double multiplied(D a) {
  double l[8];
  store(l, a);
  return ((l[0] * l[4]) * (l[2] * l[6])) * ((l[1] * l[5]) * (l[3] * l[7]));
}
LA_INLINE float sum(F a) {
  float l[16];
  store(l, a);
  for (int k = 0; k < 8; k++) l[k] += l[k + 8];
  for (int k = 0; k < 4; k++) l[k] += l[k + 4];
  return (l[0] + l[2]) + (l[1] + l[3]);
}
// halves against each other: no lane waits for all others
#define LA_FOLD(T, name, test)                                 \
  LA_INLINE T name(const T* l) {                               \
    T h[8];                                                    \
    for (int k = 0; k < 8; k++) h[k] = l[k] test l[k + 8] ? l[k] : l[k + 8]; \
    for (int k = 0; k < 4; k++) h[k] = h[k] test h[k + 4] ? h[k] : h[k + 4]; \
    for (int k = 0; k < 2; k++) h[k] = h[k] test h[k + 2] ? h[k] : h[k + 2]; \
    return h[0] test h[1] ? h[0] : h[1];                       \
  }
LA_FOLD(float, fold_most, >)
LA_FOLD(float, fold_least, <)
LA_FOLD(int32_t, fold_most, >)
LA_INLINE float largest(F a) {
  float l[16];
  store(l, a);
  return fold_most(l);
}
LA_INLINE float smallest(F a) {
  float l[16];
  store(l, a);
  return fold_least(l);
}
LA_INLINE int32_t largest(I a) {
  int32_t l[16];
  store(l, a);
  return fold_most(l);
}

}  // namespace
}  // namespace LA_SET
