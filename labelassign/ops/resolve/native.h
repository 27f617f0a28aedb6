// From every object's choice to one owner per prior.
#pragma once
#include "../native/maths.h"
#include "../native/work.h"

namespace LA_SET {
namespace {

LA_INLINE int32_t order_of(float key) {  // float32 >= 0 as integers of the same order
  int32_t out;
  std::memcpy(&out, &key, 4);
  return out;
}

// The choices of one image's rows, index and quality being those of priors that nobody has chosen: negative, and 0.
LA_INLINE void resolve_image(const ResolveArguments& a, int64_t image, int64_t from, int64_t to) {
  int64_t* index = a.index + image * a.priors;
  float* won = a.quality + image * a.priors;
  // rows rise, so that of equal costs the lower row keeps what it has
  for (int64_t g = from; g < to; g++) {
    bool had = false, kept = false;
    for (int64_t k = g * a.width; k < (g + 1) * a.width; k++) {
      const int64_t n = a.prior[k];
      kept |= a.state[k] > 0;
      if (n < 0) continue;
      had = true;
      if (a.state[k] < 0 && index[n] == -1) index[n] = -2;
      if (a.state[k] > 0 && (index[n] < 0 || order_of(a.cost[k]) < order_of(won[n])))
        index[n] = g, won[n] = a.cost[k];
    }
    a.reason[g] = (int8_t)(kept ? (int64_t)kFine : had ? (int64_t)kRejected : a.given[g]);
  }
  // costs become qualities, negative at first: a row may hold a prior twice, and no cost may be taken for a quality
  for (int64_t k = from * a.width; k < to * a.width; k++) {
    const int64_t n = a.prior[k];
    if (n < 0 || index[n] != k / a.width || a.state[k] <= 0 || order_of(a.cost[k]) != order_of(won[n])) continue;
    double e[8];
    store(e, exp_negative(all(-(double)a.cost[k])));
    won[n] = -(float)e[0];
  }
  for (int64_t k = from * a.width; k < to * a.width; k++)
    if (a.prior[k] >= 0 && index[a.prior[k]] >= 0) won[a.prior[k]] = __builtin_fabsf(won[a.prior[k]]);
}

int32_t resolve(const ResolveArguments& a, int threads) {
  const auto first = [&](int64_t image) { return image == 0 ? 0 : a.offsets[image]; };
  const auto last = [&](int64_t image) { return image + 1 == a.images ? a.rows : a.offsets[image + 1]; };
  if (a.images < 1) return kBadIndex;
  for (int64_t i = 0; i < a.images; i++)
    if (first(i) > last(i) || first(i) < 0 || last(i) > a.rows) return kBadIndex;
  for (int64_t i = 0; i < a.rows * a.width; i++)
    if (a.prior[i] >= a.priors) return kBadIndex;
  spread(workers(threads, (double)(a.images * a.priors)), a.images, [&](int64_t image, int) {
    int64_t* index = a.index + image * a.priors;
    float* won = a.quality + image * a.priors;
    for (int64_t n = 0; n < a.priors; n++) index[n] = -1, won[n] = 0.0f;
    resolve_image(a, image, first(image), last(image));
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
