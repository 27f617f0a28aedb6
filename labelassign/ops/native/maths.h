// exp and log1p, as exact as a library's (a unit in the last place), and rough ones for bounds.
#pragma once
#include "simd.h"

namespace LA_SET {
namespace {

// e^x for x <= 0, relative error below 3e-16; 0 below -708, where float64 has only subnormals left
LA_INLINE D exp_negative(D x) {
  const L nothing = x < all(-708.0);
  x = larger(x, all(-708.0));
  const D magic = all(6755399441055744.0);  // 1.5 * 2^52: adding it rounds to a whole number, found in the low bits
  const D t = x * all(1.4426950408889634074) + magic, n = t - magic;
  const D r = (x - n * all(6.93147180369123816490e-01)) - n * all(1.90821492927058770002e-10);
  constexpr double taylor[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                               1.0 / 40320,      1.0 / 5040,      1.0 / 720,      1.0 / 120,     1.0 / 24,
                               1.0 / 6,          0.5,             1.0,            1.0};
  D y = all(taylor[0]);
#pragma GCC unroll 16
  for (int k = 1; k < 14; k++) y = y * r + all(taylor[k]);
  const L power = (bits(t) + all((int64_t)(1023 - 0x4338000000000000LL))) << 52;
  return select(nothing, all(0.0), y * from_bits(power));
}

// log(1 + e) for 0 <= e <= 1, relative error below 3e-16: log1p(e) = 2 atanh(e / (2 + e)), beyond sqrt(2) - 1 from 2
LA_INLINE D log1p_unit(D e) {
  const L upper = e > all(0.41421356237309504880);
  const D f = select(upper, e - all(1.0), e) / (e + select(upper, all(3.0), all(2.0))), f2 = f * f;
  D y = all(1.0 / 23);
#pragma GCC unroll 16
  for (int k = 21; k >= 1; k -= 2) y = y * f2 + all(1.0 / k);
  return (all(2.0) * f) * y + select(upper, all(0.69314718055994530942), all(0.0));
}

// the same for bounds, relative error below 1e-5
LA_INLINE F rough_exp_negative(F x) {
  x = larger(x, all(-87.0f));
  const F magic = all(12582912.0f), t = x * all(1.44269504f) + magic, n = t - magic;
  const F r = x - n * all(0.693147181f);
  F y = all(1.0f / 120);
  y = y * r + all(1.0f / 24);
  y = y * r + all(1.0f / 6);
  y = y * r + all(0.5f);
  y = y * r + all(1.0f);
  y = y * r + all(1.0f);
  return y * from_bits((bits(t) + all((int32_t)(127 - 0x4B400000))) << 23);
}
LA_INLINE F rough_log1p_unit(F e) {
  // atanh series again, cut: f <= 1/3, the rest is below (1/9)^5 / 11
  const F f = e / (e + all(2.0f)), f2 = f * f;
  F y = all(1.0f / 9);
  y = y * f2 + all(1.0f / 7);
  y = y * f2 + all(1.0f / 5);
  y = y * f2 + all(1.0f / 3);
  y = y * f2 + all(1.0f);
  return (all(2.0f) * f) * y;
}

}  // namespace
}  // namespace LA_SET
