// What a pair costs: focal loss over classes and the box term, in float64; and a lower bound of it for a tenth of that.
#pragma once
#include "../native/boxes.h"
#include "../native/maths.h"
#include "../native/work.h"

namespace LA_SET {
namespace {

constexpr double kSmallest = 1e-12;  // probabilities are kept this far from 0 and 1
constexpr float kNothing = -1e4f;    // a logit whose terms are exactly 0, for lanes without a class

LA_INLINE float from_half(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
  if (rest >= 0x7c00) return bits_float(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  return bits_float(sign | float_bits(bits_float(rest << 13) * 0x1p112f));
}
LA_INLINE float element(const void* data, int64_t type, int64_t i) {
  if (type == kFloat32) return static_cast<const float*>(data)[i];
  const uint16_t h = static_cast<const uint16_t*>(data)[i];
  return type == kFloat16 ? from_half(h) : bits_float((uint32_t)h << 16);
}
LA_INLINE Box predicted(const Network& n, int64_t at) {
  return {element(n.boxes, n.boxes_type, at * 4), element(n.boxes, n.boxes_type, at * 4 + 1),
          element(n.boxes, n.boxes_type, at * 4 + 2), element(n.boxes, n.boxes_type, at * 4 + 3)};
}

// One pair: what it is made of, and what is known before the sum over the other classes.
struct Pair {
  bool usable;    // every number of the prediction is finite
  bool bounded;   // and moderate, so that `bound` holds
  float iou;
  double box, bound;
};

struct Coster {
  Network network;
  Cost rule;
  int64_t padded;  // columns, rounded up to whole registers
  LA_INLINE Coster(const Network& n, const Cost& c) : network(n), rule(c), padded((n.columns + 15) / 16 * 16) {}

  // the scores of one prior in `row` [padded]; false if one of them is not finite
  LA_INLINE bool read(int64_t at, float* row, int32_t* widest) const {
    if (network.scores_type == kFloat32) {
      const float* from = static_cast<const float*>(network.scores) + at * network.columns;
      std::memcpy(row, from, (size_t)network.columns * 4);
    } else {
      for (int64_t c = 0; c < network.columns; c++)
        row[c] = element(network.scores, network.scores_type, at * network.columns + c);
    }
    for (int64_t c = network.columns; c < padded; c++) row[c] = 0.0f;
    I most = all((int32_t)0);
    for (int64_t c = 0; c < padded; c += kFloats) {
      const I size = bits(load<F>(row + c)) & all((int32_t)0x7fffffff);
      most = select(size > most, size, most);
    }
    *widest = largest(most);
    for (int64_t c = network.columns; c < padded; c++) row[c] = kNothing;
    return *widest < 0x7f800000;
  }

  // (sigma(x)^gamma) * softplus(x): what a class that is not the object's costs
  LA_INLINE D miss(D x) const {
    const L positive = x > all(0.0);
    const D e = exp_negative(select(positive, all(0.0) - x, x)), one = all(1.0), q = one / (one + e);
    const D share = select(positive, q, e * q);
    const D tail = log1p_unit(e), loss = select(positive, x, all(0.0)) + tail;
    if (rule.gamma == 2.0) return (share * share) * loss;
    // share^gamma = exp(gamma * log(share)), and log(share) = x - loss without its rounding
    return exp_negative(all(rule.gamma) * (select(positive, all(0.0), x) - tail)) * loss;
  }
  LA_INLINE F rough_miss(F x) const {
    const I positive = x > all(0.0f);
    const F e = rough_exp_negative(select(positive, all(0.0f) - x, x)), one = all(1.0f), q = one / (one + e);
    const F share = select(positive, q, e * q);
    return (share * share) * (select(positive, x, all(0.0f)) + rough_log1p_unit(e));
  }

  LA_INLINE double own(double x) const { return first(miss(all(-x))); }
  LA_INLINE static double first(D a) {
    double l[8];
    store(l, a);
    return l[0];
  }

  // focal loss against the one-hot of `label`; `row` is used up
  LA_INLINE double exact(float* row, int64_t label) const {
    if (rule.scores_are != kSigmoid) return by_probability(row, label);
    const double hit = own(row[label]);
    row[label] = kNothing;
    D total = all(0.0);
    for (int64_t c = 0; c < padded; c += kDoubles) total = total + miss(widen(row + c));
    return (1 - rule.alpha) * sum(total) + rule.alpha * hit;
  }
  double by_probability(const float* row, int64_t label) const {
    const bool soft = rule.scores_are == kSoftmax;
    const int64_t classes = network.columns - soft;
    double high = row[0], whole = 1, miss_sum = 0, hit = 0;
    for (int64_t c = 1; c < network.columns; c++) high = row[c] > high ? row[c] : high;
    if (soft) {
      whole = 0;
      for (int64_t c = 0; c < network.columns; c++) whole += first(exp_negative(all(row[c] - high)));
    }
    for (int64_t c = 0; c < classes; c++) {
      double p = soft ? first(exp_negative(all(row[c] - high))) / whole : row[c];
      p = p < kSmallest ? kSmallest : p > 1 - kSmallest ? 1 - kSmallest : p;
      if (c == label) hit = power(1 - p) * -__builtin_log(p);
      else miss_sum += power(p) * -__builtin_log1p(-p);
    }
    return (1 - rule.alpha) * miss_sum + rule.alpha * hit;
  }
  LA_INLINE double power(double p) const { return rule.gamma == 2.0 ? p * p : __builtin_pow(p, rule.gamma); }

  // Everything but the sum over the other classes, and a bound of the cost from below. `row`: the scores, kept.
  LA_INLINE Pair look(int64_t at, Box target, int64_t label, float* row, bool bound) const {
    Pair out = {};
    int32_t widest;
    const Box b = predicted(network, at);
    const bool numbers = read(at, row, &widest);
    out.iou = iou(b, target);
    const float closeness = rule.generalized ? giou(b, target) : out.iou;
    out.usable = numbers && finite(b) && finite(closeness);
    if (!out.usable) return out;
    out.box = rule.weight * (1 - (double)closeness);
    out.bounded = bound && rule.scores_are == kSigmoid && widest < 0x5d000000 && out.box < 1e30;  // 5.8e17
    if (!out.bounded) return out;
    double x[8] = {-(double)row[label], (double)row[label], 0, 0, 0, 0, 0, 0};
    store(x, miss(load<D>(x)));
    double others = 0;
    if (rule.gamma == 2.0) {
      F total = all(0.0f);
      for (int64_t c = 0; c < padded; c += kFloats) total = total + rough_miss(load<F>(row + c));
      others = (double)sum(total) * (1 - 1e-4) - x[1] * (1 + 1e-4);
    }
    out.bound = out.box + rule.alpha * x[0] + (1 - rule.alpha) * (others > 0 ? others : 0);
    out.bound -= out.bound * 1e-9;  // and its own rounding
    return out;
  }
  // rounded once; what does not fit a float32 never takes part
  LA_INLINE float finish(const Pair& pair, float* row, int64_t label) const {
    const float total = (float)(exact(row, label) + pair.box);
    return finite(total) ? total : kInfinity;
  }
};

// labels that make no sense are read as the nearest one that does; their rows own nothing
LA_INLINE int64_t label_in(const Network& n, const Cost& c, int64_t label) {
  const int64_t last = n.columns - (c.scores_are == kSoftmax) - 1;
  return label < 0 ? 0 : label > last ? last : label;
}

int32_t pair_cost(const PairArguments& a, int threads) {
  Memory memory;
  const Coster cost(a.network, a.cost);
  float* rows = memory.take<float>(cost.padded * threads);
  if (memory.failed) return kNoMemory;
  for (int64_t i = 0; i < a.pairs; i++) {
    const bool inside = a.row[i] >= 0 && a.row[i] < a.rows && a.prior[i] >= 0 && a.prior[i] < a.priors;
    if (!inside || a.image_of[a.row[i]] < 0 || a.image_of[a.row[i]] >= a.images) return kBadIndex;
  }
  constexpr int64_t kSome = 64;
  spread(threads, (a.pairs + kSome - 1) / kSome, [&](int64_t t, int worker) {
    float* row = rows + worker * cost.padded;
    for (int64_t i = t * kSome; i < (t + 1) * kSome && i < a.pairs; i++) {
      const int64_t g = a.row[i], at = a.image_of[g] * a.priors + a.prior[i];
      const int64_t label = label_in(a.network, a.cost, a.labels[g]);
      const Pair pair = cost.look(at, box_at(a.boxes + g * 4), label, row, false);
      a.out[i] = pair.usable ? cost.finish(pair, row, label) : kInfinity;
      a.iou[i] = pair.usable ? pair.iou : 0.0f;
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
