// What a pair costs: focal loss over classes and the box term, in float64; and a lower bound of it for a tenth of that.
#pragma once
#include "../native/boxes.h"
#include "../native/maths.h"
#include "../native/work.h"

namespace LA_SET {
namespace {

constexpr double kSmallest = 1e-12;  // probabilities are kept this far from 0 and 1
constexpr float kNothing = -1e4f;
constexpr int32_t kModerate = 0x5d000000;  // the bits of 5.8e17

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

// What sixteen pairs say before any sum over classes.
struct Glance {
  bool usable[kFloats];   // every number of the prediction is finite
  bool bounded[kFloats];  // and moderate, so that bounds hold
  float iou[kFloats], own[kFloats];  // own: the score of the object's class
  double box[kFloats];
};

struct Coster {
  Network network;
  Cost rule;
  int64_t padded;  // columns, rounded up to whole registers
  LA_INLINE Coster(const Network& n, const Cost& c) : network(n), rule(c), padded((n.columns + 15) / 16 * 16) {}

  // The scores of one prior, in place or copied to `row` [padded].
  LA_INLINE const float* read(int64_t at, float* row) const {
    if (network.scores_type == kFloat32 && network.columns % kFloats == 0)
      return static_cast<const float*>(network.scores) + at * network.columns;
    copy(at, row);
    return row;
  }
  // The bits of the largest size among them, or 0 if all are moderate.
  LA_INLINE int32_t widest(const float* scores) const {
    I most = all((int32_t)0);
    for (int64_t c = 0; c < padded; c += kFloats) {
      const I size = load<I>(scores + c) & all((int32_t)0x7fffffff);
      most = select(size > most, size, most);
    }
    return lanes(most > all(kModerate)) ? largest(most) : 0;
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

  // Sixteen pairs of a prior's place and an object's box and label; of the first `count` the answer means something.
  LA_INLINE void look(Glance& out, const int64_t* at, const Box* target, const int64_t* label, int count,
                      float* row) const {
    float p[4][kFloats] = {}, t[4][kFloats] = {};
    for (int k = 0; k < count; k++) {
      const Box b = predicted(network, at[k]);
      p[0][k] = b.x1, p[1][k] = b.y1, p[2][k] = b.x2, p[3][k] = b.y2;
      t[0][k] = target[k].x1, t[1][k] = target[k].y1, t[2][k] = target[k].x2, t[3][k] = target[k].y2;
    }
    const Boxes b = {load<F>(p[0]), load<F>(p[1]), load<F>(p[2]), load<F>(p[3])};
    const Boxes g = {load<F>(t[0]), load<F>(t[1]), load<F>(t[2]), load<F>(t[3])};
    const F plain = iou(b, g), closeness = rule.generalized ? giou(b, g) : plain;
    float close[kFloats];
    store(out.iou, plain), store(close, closeness);
    // a difference of what is not finite is no number, and no number equals itself
    const F none = ((b.x1 - b.x1) + (b.y1 - b.y1)) + ((b.x2 - b.x2) + (b.y2 - b.y2)) + (closeness - closeness);
    const uint32_t sound = lanes(none == all(0.0f));
    for (int k = 0; k < count; k++) {
      const float* scores = read(at[k], row);
      const int32_t size = widest(scores);
      out.own[k] = scores[label[k]], out.box[k] = rule.weight * (1 - (double)close[k]);
      out.usable[k] = (sound >> k & 1) && size < 0x7f800000;
      out.bounded[k] = rule.scores_are == kSigmoid && size == 0 && out.box[k] < 1e30;
    }
  }
  // Bounds of costs from box terms and own logits, sixteen at a time.
  LA_INLINE F low_cost(F box, F own) const {
    if (rule.gamma == 2.0) box = box + all((float)rule.alpha) * low_miss(all(0.0f) - own);
    return box * all(1 - 2e-4f);
  }
  // What the classes that are not the object's cost at least.
  LA_INLINE float low_rest(int64_t at, int64_t label, float* row) const {
    if (rule.gamma != 2.0) return 0.0f;
    const float* scores = read(at, row);
    F low = all(0.0f);
    for (int64_t c = 0; c < padded; c += kFloats) low = low + low_miss(load<F>(scores + c));
    float own[kFloats];
    store(own, low_miss(all(scores[label])));
    return (float)(1 - rule.alpha) * most(sum(low) * (1 - 3e-4f) - own[0] * 1.001f, 0.0f);
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
    for (int64_t from = t * kSome; from < (t + 1) * kSome && from < a.pairs; from += kFloats) {
      const int count = (int)(a.pairs - from < kFloats ? a.pairs - from : kFloats);
      int64_t at[kFloats], label[kFloats];
      Box target[kFloats];
      for (int k = 0; k < count; k++) {
        const int64_t g = a.row[from + k];
        at[k] = a.image_of[g] * a.priors + a.prior[from + k], label[k] = label_in(a.network, a.cost, a.labels[g]);
        target[k] = box_at(a.boxes + g * 4);
      }
      Glance seen;
      cost.look(seen, at, target, label, count, row);
      for (int k = 0; k < count; k++) {
        a.out[from + k] = seen.usable[k] ? cost.finish(at[k], seen.box[k], row, label[k]) : kInfinity;
        a.iou[from + k] = seen.usable[k] ? seen.iou[k] : 0.0f;
      }
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
