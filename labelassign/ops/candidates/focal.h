// What a pair costs: focal loss over classes and the box term, in float64; and a lower bound of it for a tenth of that.
#pragma once
#include "../native/boxes.h"
#include "../native/maths.h"
#include "../native/work.h"

namespace LA_SET {
namespace {

constexpr double kSmallest = 1e-12;  // probabilities are kept this far from 0 and 1
constexpr float kNothing = -1e4f;

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

// One pair: what is known of it before the sum over classes.
struct Pair {
  bool usable;    // every number of the prediction is finite
  bool bounded;   // and moderate, so that bounds hold
  float iou, others;
  double box;
  const float* scores;
};

struct Coster {
  Network network;
  Cost rule;
  int64_t padded;  // columns, rounded up to whole registers
  LA_INLINE Coster(const Network& n, const Cost& c) : network(n), rule(c), padded((n.columns + 15) / 16 * 16) {}

  // The scores of one prior, in place or copied to `row` [padded]; the bits of the largest size among them; and, if
  // asked for, a bound of the sum over classes.
  LA_INLINE const float* read(int64_t at, float* row, bool bound, int32_t* widest, float* total) const {
    const float* scores = row;
    if (network.scores_type == kFloat32 && network.columns % kFloats == 0)
      scores = static_cast<const float*>(network.scores) + at * network.columns;
    else
      copy(at, row);
    I most = all((int32_t)0);
    F low = all(0.0f);
    for (int64_t c = 0; c < padded; c += kFloats) {
      const F x = load<F>(scores + c);
      const I size = bits(x) & all((int32_t)0x7fffffff);
      most = select(size > most, size, most);
      if (bound) low = low + low_miss(x);
    }
    *widest = largest(most);
    *total = bound ? sum(low) * (1 - 1e-4f) : 0.0f;
    return scores;
  }
  // lanes without a class hold a logit whose terms are exactly 0
  LA_INLINE void copy(int64_t at, float* row) const {
    for (int64_t c = network.columns; c < padded; c++) row[c] = kNothing;
    if (network.scores_type == kFloat32) {
      std::memcpy(row, static_cast<const float*>(network.scores) + at * network.columns, (size_t)network.columns * 4);
    } else {
      for (int64_t c = 0; c < network.columns; c++)
        row[c] = element(network.scores, network.scores_type, at * network.columns + c);
    }
  }

  // (sigma(x)^gamma) * softplus(x): what a class that is not the object's costs
  LA_INLINE D miss(D x) const {
    const L positive = x > all(0.0);
    const D e = exp_negative(select(positive, all(0.0) - x, x));
    const Log log = log1p_unit(e);
    const D share = select(positive, log.inverse, e * log.inverse), loss = select(positive, x, all(0.0)) + log.value;
    if (rule.gamma == 2.0) return (share * share) * loss;
    // share^gamma = exp(gamma * log(share)), and log(share) = x - loss without its rounding
    return exp_negative(all(rule.gamma) * (select(positive, all(0.0), x) - log.value)) * loss;
  }
  // A bound of it from below, for gamma 2, but for a relative 1e-4: log1p(e) >= 2 e / (2 + e).
  LA_INLINE static F low_miss(F x) {
    const I positive = x > all(0.0f);
    const F e = rough_exp_negative(select(positive, all(0.0f) - x, x));
    const F one = e + all(1.0f), two = e + all(2.0f), twice = e + e;
    return select(positive, x * two + twice, twice * (e * e)) / ((one * one) * two);
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

  // What the prediction of one prior says before any exact sum. `others`: a bound of the sum over all classes.
  LA_INLINE Pair look(int64_t at, Box target, float* row, bool bound) const {
    Pair out = {};
    const Box b = predicted(network, at);
    out.iou = iou(b, target);
    const float closeness = rule.generalized ? giou(b, target) : out.iou;
    out.box = rule.weight * (1 - (double)closeness);
    int32_t widest;
    const float* scores = read(at, row, bound && rule.gamma == 2.0, &widest, &out.others);
    out.usable = widest < 0x7f800000 && finite(b) && finite(closeness);
    out.bounded = bound && rule.scores_are == kSigmoid && widest < 0x5d000000 && out.box < 1e30;  // 5.8e17
    out.scores = scores;
    return out;
  }
  // Bounds of costs from box terms, sums over all classes and own logits, sixteen at a time.
  LA_INLINE F low_cost(F box, F others, F own) const {
    const F alpha = all((float)rule.alpha), beta = all((float)(1 - rule.alpha));
    F sum = box;
    if (rule.gamma == 2.0) {
      const F rest = others - low_miss(own) * all(1.001f);  // the object's own class does not belong to the others
      sum = sum + alpha * low_miss(all(0.0f) - own) + beta * larger(rest, all(0.0f));
    }
    return sum * all(1 - 2e-4f);
  }
  // rounded once; what does not fit a float32 never takes part
  LA_INLINE float finish(int64_t at, double box, float* row, int64_t label) const {
    copy(at, row);
    const float total = (float)(exact(row, label) + box);
    return finite(total) ? total : kInfinity;
  }
};

// labels that make no sense are read as the nearest one that does; their rows own nothing
LA_INLINE int64_t label_in(const Network& n, const Cost& c, int64_t label) {
  const int64_t last = n.columns - (c.scores_are == kSoftmax) - 1;
  return label < 0 ? 0 : label > last ? last : label;
}

int32_t pair_cost(const PairArguments& a, int threads, Memory& memory) {
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
      const Pair pair = cost.look(at, box_at(a.boxes + g * 4), row, false);
      a.out[i] = pair.usable ? cost.finish(at, pair.box, row, label) : kInfinity;
      a.iou[i] = pair.usable ? pair.iou : 0.0f;
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
