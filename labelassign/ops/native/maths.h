// exp and log1p, as exact as a library's (a unit in the last place or two), and a rough exp for bounds.
#pragma once
#include "simd.h"

namespace LA_SET {
namespace {

// Polynomials near the best of their degree (Chebyshev; the remainder is below 4e-18), by Estrin's scheme: the processor
// works on several of the pairs at once.

// e^x for x <= 0, relative error below 3e-16; 0 below -708, where float64 has only subnormals left
LA_INLINE D exp_negative(D x) {
  const L nothing = x < all(-708.0);
  x = larger(x, all(-708.0));
  const D magic = all(6755399441055744.0);  // 1.5 * 2^52: adding it rounds to a whole number, found in the low bits
  const D t = x * all(1.4426950408889634074) + magic, n = t - magic;
  const D r = (x - n * all(6.93147180369123816490e-01)) - n * all(1.90821492927058770002e-10);
  const D r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
  const D a = all(1.0) + r, b = all(0.5000000000000019) + all(0.1666666666666668) * r;
  const D c = all(0.04166666666648795) + all(0.008333333333319589) * r;
  const D d = all(0.0013888888952352863) + all(0.00019841269890076403) * r;
  const D e = all(2.4801485441561313e-05) + all(2.755724088722987e-06) * r;
  const D f = all(2.763265472252779e-07) + all(2.5110049204818658e-08) * r;
  const D y = (a + b * r2) + ((c + d * r2) * r4 + (e + f * r2) * r8);
  const L power = (bits(t) + all((int64_t)(1023 - 0x4338000000000000LL))) << 52;
  return select(nothing, all(0.0), y * from_bits(power));
}

// log(1 + e) for 0 <= e <= 1 and 1 / (1 + e), relative errors below 5e-16, with one division for both:
// log1p(e) = 2 atanh(e / (2 + e)), beyond sqrt(2) - 1 from log(2) on
struct Log { D value, inverse; };
LA_INLINE Log log1p_unit(D e) {
  const L upper = e > all(0.41421356237309504880);
  const D one = e + all(1.0), other = e + select(upper, all(3.0), all(2.0)), both = all(1.0) / (one * other);
  const D f = (select(upper, e - all(1.0), e) * one) * both;
  const D t = f * f, t2 = t * t, t4 = t2 * t2;
  const D a = all(1.0) + all(0.33333333333333826) * t, b = all(0.19999999999650955) + all(0.1428571438036914) * t;
  const D c = all(0.11111098523202137) + all(0.09091816120808513) * t;
  const D d = all(0.0765625655736915) + all(0.07404933786156531) * t;
  const D y = (a + b * t2) + (c + d * t2) * t4;
  return {(all(2.0) * f) * y + select(upper, all(0.69314718055994530942), all(0.0)), other * both};
}

// e^x for bounds, relative error below 1e-5, x <= 0
LA_INLINE F rough_exp_negative(F x) {
  x = larger(x, all(-87.0f));
  const F magic = all(12582912.0f), t = x * all(1.44269504f) + magic, n = t - magic;
  const F r = x - n * all(0.693147181f), r2 = r * r;
  const F a = all(1.0f) + r, b = all(0.4999886892f) + all(0.1666650519f) * r;
  const F c = all(0.0419175575f) + all(0.0083691557f) * r;
  return ((a + b * r2) + c * (r2 * r2)) * from_bits((bits(t) + all((int32_t)(127 - 0x4B400000))) << 23);
}

}  // namespace
}  // namespace LA_SET
